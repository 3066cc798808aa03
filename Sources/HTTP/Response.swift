// A response as the layers above give it, the server's own error answers, and their encoding.

/// A complete response. `Content-Length`, `Transfer-Encoding`, `Connection` and `Date` are added
/// when it is sent and must not be among its headers.
public struct Response: Sendable, Equatable {
  /// 200 to 599.
  public var status: Int
  public var headers: Headers
  public var body: [UInt8]

  /// A response with exactly these fields and those the server adds.
  public init(status: Int, headers: Headers = [:], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// A response with a body of the given media type.
  public init(status: Int, contentType: String, body: [UInt8]) {
    self.init(status: status, headers: ["Content-Type": contentType], body: body)
  }
}

/// How the server words its own refusals (a malformed request, too many clients), so that they
/// look like the errors of the layers above.
public struct ErrorFormat: Sendable {
  /// Media type of the bodies.
  public let contentType: String
  /// The body for a status and a message.
  public let body: @Sendable (_ status: Int, _ message: String) -> [UInt8]
  /// Told of every refusal before it is sent, on any thread; what it returns is added to the
  /// answer. No handler ever hears of these requests.
  public var onRefusal: (@Sendable (_ status: Int, _ message: String, _ peer: String) -> Headers)?

  public init(
    contentType: String,
    body: @escaping @Sendable (_ status: Int, _ message: String) -> [UInt8]
  ) {
    self.contentType = contentType
    self.body = body
  }

  /// The message alone.
  public static let plainText = ErrorFormat(contentType: "text/plain; charset=utf-8") {
    Array("\($1)\n".utf8)
  }

  func response(_ error: RequestError) -> Response {
    var response = Response(
      status: error.status, contentType: contentType, body: body(error.status, error.message))
    // Places become free whenever a client leaves; what is asked for is not to come back at once
    // (RFC 9110, section 10.2.3; RFC 6585, section 4).
    if [429, 503].contains(error.status) { response.headers.append("Retry-After", "1") }
    return response
  }
}

/// How the end of a response's body is told (RFC 9112, section 6).
enum ResponseFraming: Equatable {
  case length(Int)
  case chunked
  case untilClose
}

enum ResponseEncoder {
  static let continueLine = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)
  static let lastChunk = Array("0\r\n\r\n".utf8)

  /// Status line and header. `connection` is the Connection header's value, if it needs one;
  /// `time` is in seconds since 1970.
  static func head(
    status: Int, headers: Headers, framing: ResponseFraming, connection: String?, time: Int
  ) -> [UInt8] {
    precondition((200...599).contains(status), "not a final status")
    var bytes = Array("HTTP/1.1 \(status) \(reason(status))\r\nDate: \(date(time))\r\n".utf8)
    for field in headers.fields {
      precondition(!field.name.isEmpty && field.name.utf8.allSatisfy(\.isToken))
      bytes += field.name.utf8
      bytes += ": ".utf8
      // A line break in a value would let whoever chose it forge header lines.
      bytes += field.value.utf8.lazy.map { $0.isFieldValue ? $0 : .space }
      bytes += "\r\n".utf8
    }
    switch framing {
    // These two have no body by definition (RFC 9110, sections 8.6 and 15.4.5).
    case .length where status == 204 || status == 304: break
    case .length(let length): bytes += "Content-Length: \(length)\r\n".utf8
    case .chunked: bytes += "Transfer-Encoding: chunked\r\n".utf8
    case .untilClose: break
    }
    if let connection { bytes += "Connection: \(connection)\r\n".utf8 }
    bytes += "\r\n".utf8
    return bytes
  }

  static func chunk(_ data: [UInt8]) -> [UInt8] {
    var bytes = Array("\(String(data.count, radix: 16))\r\n".utf8)
    bytes.reserveCapacity(bytes.count + data.count + 2)
    bytes += data
    bytes += "\r\n".utf8
    return bytes
  }

  /// The date of RFC 9110, section 5.6.7 (`Sun, 06 Nov 1994 08:49:37 GMT`) for seconds since 1970.
  static func date(_ time: Int) -> String {
    let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    let months = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    let days = time / 86_400
    let second = time % 86_400
    // Years that begin in March put the leap day last, and 400 of them have 146,097 days.
    let shifted = days + 719_468
    let dayOfEra = shifted % 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = (monthFromMarch + 2) % 12
    let year = yearOfEra + shifted / 146_097 * 400 + (month < 2 ? 1 : 0)
    func pair(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let clock = [second / 3_600, second / 60 % 60, second % 60].map(pair).joined(separator: ":")
    return "\(weekdays[days % 7]), \(pair(day)) \(months[month]) \(year) \(clock) GMT"
  }

  /// The phrases of RFC 9110, section 15; clients ignore them.
  static func reason(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 204: "No Content"
    case 304: "Not Modified"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 417: "Expectation Failed"
    case 421: "Misdirected Request"
    case 422: "Unprocessable Content"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 503: "Service Unavailable"
    case 505: "HTTP Version Not Supported"
    default: "Status"
    }
  }
}
