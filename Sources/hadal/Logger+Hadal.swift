// Log lines: standard error, so that standard output stays what was asked for; one line each, as
// text or as JSON.

import JSON
import Logging
import Platform

enum LogFormat: String, CaseIterable {
  case text
  case json
}

extension Logger {
  /// - Parameter quiet: only warnings and errors.
  init(label: String, quiet: Bool) {
    self.init(label: label, level: quiet ? .warning : .info, format: .text)
  }

  init(label: String, level: Logger.Level, format: LogFormat) {
    self.init(label: label) { LineLogHandler(label: $0, format: format) }
    logLevel = level
  }
}

/// Writes each message as one line, whatever is in it.
struct LineLogHandler: LogHandler {
  let label: String
  let format: LogFormat
  var logLevel = Logger.Level.info
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?

  init(label: String, format: LogFormat) {
    self.label = label
    self.format = format
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let own = metadata.merging(metadataProvider?.get() ?? [:]) { $1 }
    let all = own.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
      .map { (key: $0.key, value: "\($0.value)") }
    let line =
      switch format {
      case .text: text("\(event.message)", event.level, all)
      case .json: json("\(event.message)", event.level, all)
      }
    StandardError.write(Array("\(line)\n".utf8))
  }

  /// `TIME LEVEL LABEL: MESSAGE KEY=VALUE...`
  private func text(
    _ message: String, _ level: Logger.Level, _ metadata: [(key: String, value: String)]
  ) -> String {
    let pairs = metadata.map {
      " \($0.key)=\(Self.isPlain($0.value) ? $0.value : quoted($0.value))"
    }
    let words = quoted(message).dropFirst().dropLast()
    return "\(WallClock.text) \(level) \(label): \(words)\(pairs.joined())"
  }

  private func json(
    _ message: String, _ level: Logger.Level, _ metadata: [(key: String, value: String)]
  ) -> String {
    var line = JSONObject()
    line["time"] = .string(WallClock.text)
    line["level"] = .string("\(level)")
    line["logger"] = .string(label)
    line["message"] = .string(message)
    for (key, value) in metadata where line[key] == nil { line[key] = .string(value) }
    return JSONValue.object(line).text
  }

  /// As JSON writes strings: a line stays one line.
  private func quoted(_ text: String) -> String { JSONValue.string(text).text }

  private static func isPlain(_ value: String) -> Bool {
    !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x5C && $0 != 0x7F }
  }
}
