// Drives a connection without a socket: bytes in, actions out.

import HTTP

/// Runs a connection without a socket: feeds bytes, answers at once, and takes all output.
struct ConnectionDriver {
  /// What happened, independent of how the input was split.
  struct Transcript: Equatable {
    var requests: [Request] = []
    var output: [UInt8] = []
    var isShutDown = false
    var isClosed = false

    var text: String { String(decoding: output, as: UTF8.self) }

    /// The status codes of all answers, interim ones included.
    var statuses: [Int] {
      text.split(separator: "HTTP/1.1 ", omittingEmptySubsequences: true).compactMap {
        Int($0.prefix(3))
      }
    }
  }

  /// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110, section 5.6.7.
  static let time = 784_111_777

  var connection: Connection
  var transcript = Transcript()
  /// The answer to requests whose body is not wanted.
  let refusal: (Request) -> Response?
  let answer: (Request) -> Response?

  init(
    limits: HTTPLimits = HTTPLimits(), refusal: @escaping (Request) -> Response? = { _ in nil },
    answer: @escaping (Request) -> Response? = Self.echo
  ) {
    connection = Connection(
      limits: limits, errorFormat: .plainText, peer: "test", time: { Self.time })
    self.refusal = refusal
    self.answer = answer
  }

  static func echo(_ request: Request) -> Response? {
    Response(status: 200, body: Array("\(request.path)|".utf8) + request.body)
  }

  mutating func feed(_ bytes: [UInt8]) { perform(connection.receive(bytes)) }

  mutating func feed(_ text: String) { feed(Array(text.utf8)) }

  mutating func perform(_ actions: [Connection.Action]) {
    var pending = actions
    while !pending.isEmpty {
      switch pending.removeFirst() {
      case .send(let bytes):
        transcript.output += bytes
        pending += connection.didSend(bytes.count)
      case .handle(let head):
        if let refusal = refusal(head) {
          pending += connection.respond(refusal)
        } else {
          pending += connection.awaitBody()
        }
      case .refuse(let response, _): pending += connection.respond(response)
      case .deliver(let request):
        transcript.requests.append(request)
        if let response = answer(request) { pending += connection.respond(response) }
      case .shutdownWrite: transcript.isShutDown = true
      case .close: transcript.isClosed = true
      case .clientGone, .roomAvailable: break
      }
    }
  }

  /// The transcript of `chunks` fed one after the other.
  static func run(_ chunks: [[UInt8]], limits: HTTPLimits = HTTPLimits()) -> Transcript {
    var driver = ConnectionDriver(limits: limits)
    for chunk in chunks { driver.feed(chunk) }
    return driver.transcript
  }

  static func run(_ text: String, limits: HTTPLimits = HTTPLimits()) -> Transcript {
    run([Array(text.utf8)], limits: limits)
  }
}
