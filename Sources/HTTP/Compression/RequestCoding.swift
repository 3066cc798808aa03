// The content coding of request bodies (RFC 9110, section 8.4).

extension Request {
  /// The content codings that `decodedBody` takes away, as a 415 answer's Accept-Encoding names
  /// them (RFC 9110, section 12.5.3).
  package static let acceptedEncodings = "gzip"

  /// The body without its content coding, at most `limit` bytes. To be called when the body is
  /// wanted and not before: decoding takes time and memory, which refused requests do not get.
  /// Throws 415 for a coding that is not known, 413 for a body that decodes to more than `limit`
  /// bytes, 400 for one that does not decode.
  package func decodedBody(limit: Int) throws(RequestError) -> [UInt8] {
    // Identity is reserved for Accept-Encoding, but some clients say it.
    let codings = headers.list("content-encoding").filter { $0 != "identity" }
    switch codings {
    case []: return body
    // Recipients take the one for the other (RFC 9110, section 8.4.1.3).
    case ["gzip"], ["x-gzip"]: return try Gzip.decode(body, limit: limit)
    default:
      throw RequestError(
        status: 415, message: "bodies may be coded with \(Self.acceptedEncodings) alone")
    }
  }
}
