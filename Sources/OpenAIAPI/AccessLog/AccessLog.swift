// The outermost layer: gives each request its id, counts it, and writes a line at its answer's end.

import Dispatch
import HTTP
import JSON
import Serving

/// Where lines go and what is in them.
public struct AccessLogSink: Sendable {
  /// Takes a line with its line feed; must not wait. Called on any thread.
  let write: @Sendable ([UInt8]) -> Void
  /// The present date and time.
  let time: @Sendable () -> String
  /// Whether prompts and answers are part of the lines, as far as `APILimits` allows.
  let logsTexts: Bool

  /// - Parameters:
  ///   - write: takes a line with its line feed; must not wait. Called on any thread.
  ///   - time: the present date and time as RFC 3339 writes it.
  ///   - logsTexts: whether prompts and answers are part of the lines.
  public init(
    logsTexts: Bool = false, time: @escaping @Sendable () -> String,
    write: @escaping @Sendable ([UInt8]) -> Void
  ) {
    self.write = write
    self.time = time
    self.logsTexts = logsTexts
  }
}

/// Goes around all other handlers of a server.
public struct AccessLog: RequestHandler {
  private let inner: any RequestHandler
  private let counts: RequestCounts
  private let sink: AccessLogSink?
  private let clock: @Sendable () -> UInt64

  /// - Parameters:
  ///   - inner: answers the requests.
  ///   - counts: of requests, for metrics.
  ///   - sink: nil writes no lines.
  ///   - clock: monotonic nanoseconds.
  public init(
    around inner: any RequestHandler, counts: RequestCounts, sink: AccessLogSink?,
    clock: @escaping @Sendable () -> UInt64 = { DispatchTime.now().uptimeNanoseconds }
  ) {
    self.inner = inner
    self.counts = counts
    self.sink = sink
    self.clock = clock
  }

  public func handle(_ request: Request, _ responder: Responder) -> BodyHandler? {
    let record = RequestRecord(
      request, id: RequestID.of(request), begun: clock(), keepsTexts: sink?.logsTexts == true)
    let route = RequestCounts.route(request.path)
    counts.begin()
    responder.attachment = record
    responder.addHeader(RequestID.header, record.id)
    responder.onEnd = { [counts, sink, clock] end in
      counts.end(route: route, status: end.status ?? AccessLogLine.clientGoneStatus)
      guard let sink else { return }
      Self.write(
        AccessLogLine.json(record, end, time: sink.time(), now: clock()), to: sink)
    }
    return inner.handle(request, responder)
  }

  /// The same for what the HTTP layer refuses by itself.
  /// - Parameter format: the words of its refusals.
  public func observing(_ format: ErrorFormat) -> ErrorFormat {
    var format = format
    format.onRefusal = { [counts, sink] status, message, peer in
      let id = RequestID.make()
      counts.refuse(status: status)
      if let sink {
        Self.write(
          AccessLogLine.json(
            refused: id, status: status, message: message, peer: peer, time: sink.time()),
          to: sink)
      }
      return [RequestID.header: id]
    }
    return format
  }

  private static func write(_ line: JSONValue, to sink: AccessLogSink) {
    sink.write(line.serialized() + [UInt8(ascii: "\n")])
  }
}
