// A line of the access log: one JSON object. What clients chose is in JSON strings, where no byte
// of theirs can end a line or a member.

import HTTP
import JSON
import Serving

enum AccessLogLine {
  /// The status of what was never answered because the client left, as proxies log it.
  static let clientGoneStatus = 499

  static func json(
    _ record: RequestRecord, _ end: AnswerEnd, time: String, now: UInt64
  ) -> JSONValue {
    var line = JSONObject()
    line["time"] = .string(time)
    line["request_id"] = .string(record.id)
    line["peer"] = .string(record.peer)
    line["method"] = .string(record.method)
    line["path"] = text(record.path)
    line["status"] = .integer(end.status ?? clientGoneStatus)
    line["bytes"] = .integer(end.bodyBytes)
    line["duration_seconds"] = .double(seconds(from: record.begun, to: now))
    if let reason = end.refusal { line["error"] = text(reason) }
    if end.isClientGone { line["client_gone"] = true }
    if let name = end.clientName { line["key"] = text(name) }
    if let agent = record.userAgent { line["user_agent"] = text(agent) }
    if record.model != nil { add(record, to: &line) }
    return .object(line)
  }

  private static func add(_ record: RequestRecord, to line: inout JSONObject) {
    line["model"] = .optional(record.model)
    line["prompt_tokens"] = .integer(record.promptTokens)
    line["cached_tokens"] = .integer(record.cachedTokens)
    line["generated_tokens"] = .integer(record.generatedTokens)
    line["finish_reasons"] = .array(record.finishReasons.map { .string($0) })
    let timings = record.timings
    let spans: [(String, Double?)] = [
      ("queue_seconds", timings?.queueSeconds), ("prefill_seconds", timings?.prefillSeconds),
      ("ttft_seconds", timings?.firstTokenSeconds), ("decode_seconds", timings?.decodeSeconds),
    ]
    for (name, seconds) in spans {
      if let seconds { line[name] = .double(rounded(seconds)) }
    }
    guard !record.prompts.isEmpty else { return }
    line["prompts"] = .array(record.prompts.map(text))
    line["answers"] = .array(record.answers.map(text))
  }

  /// A request that the HTTP layer refused.
  static func json(
    refused id: String, status: Int, message: String, peer: String, time: String
  ) -> JSONValue {
    [
      "time": .string(time), "request_id": .string(id), "peer": .string(peer),
      "status": .integer(status), "error": text(message),
    ]
  }

  /// Text that clients had a hand in. Control characters beyond ASCII and marks that turn the
  /// direction of writing are no danger to JSON, but to the terminal and the eyes that read it.
  private static func text(_ text: String) -> JSONValue {
    var cleaned = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x7F...0x9F, 0x2028...0x202E, 0x2066...0x2069: cleaned.append("\u{FFFD}")
      default: cleaned.append(scalar)
      }
    }
    return .string(String(cleaned))
  }

  private static func seconds(from start: UInt64, to end: UInt64) -> Double {
    end > start ? rounded(Double(end - start) / 1e9) : 0
  }

  /// To microseconds.
  private static func rounded(_ seconds: Double) -> Double { (seconds * 1e6).rounded() / 1e6 }
}
