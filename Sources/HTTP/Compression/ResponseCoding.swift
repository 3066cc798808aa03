// The content coding of answers that are sent whole. Event streams have none: a compressor would
// hold back what the client waits for.

extension Response {
  /// Compresses the body if the client wants it so and it is worth the while, and tells caches
  /// that it depends on the client (RFC 9110, section 12.5.5).
  package mutating func encode(for accepted: AcceptEncoding) {
    guard isCompressible else { return }
    let isWorthwhile = body.count >= HTTPLimits.compressedBytes
    // Below that size the answer depends on a client's refusal of identity, which no cache minds.
    if isWorthwhile { headers.append("Vary", "Accept-Encoding") }
    switch accepted.choice {
    case .identity: return
    case .gzip where !isWorthwhile: return
    case .gzip, .gzipOnly: break
    }
    guard !body.isEmpty, let packed = Gzip.encode(body) else { return }
    headers.append("Content-Encoding", "gzip")
    body = packed
  }

  /// Text and JSON, unless something has coded them already.
  private var isCompressible: Bool {
    guard headers["content-encoding"] == nil, let field = headers["content-type"] else {
      return false
    }
    let type = field.prefix { $0 != ";" && $0 != " " }.lowercased()
    return type == "application/json" || type.hasPrefix("text/")
      || type.hasPrefix("application/openmetrics-text")
  }
}
