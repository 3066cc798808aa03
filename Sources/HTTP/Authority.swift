// Who a request is for: the host and port of a Host field or of a target in absolute form.

/// `uri-host [ ":" port ]` (RFC 9110, section 7.2; RFC 3986, section 3.2), in a form that can be
/// compared.
struct Authority: Equatable {
  /// In lower case; IPv6 addresses with their brackets.
  let host: String
  /// Nil when it is left to the scheme.
  private(set) var port: Int?

  /// Nil when the text is no such thing. The empty text is allowed: it says that the target has
  /// no authority (RFC 9112, section 3.2).
  init?(_ text: ArraySlice<UInt8>) {
    let end: Int
    if text.first == UInt8(ascii: "[") {
      guard let close = text.firstIndex(of: UInt8(ascii: "]")),
        Self.mayBeIPv6(text[(text.startIndex + 1)..<close])
      else { return nil }
      end = close + 1
    } else {
      end = text.firstIndex(of: UInt8(ascii: ":")) ?? text.endIndex
      guard text[..<end].isPercentEncoded(with: \.isNameCharacter),
        end > text.startIndex || text.isEmpty
      else { return nil }
    }
    host = String(decoding: text[..<end], as: UTF8.self).lowercased()
    guard end < text.endIndex else { return }
    guard text[end] == UInt8(ascii: ":") else { return nil }
    let digits = text[(end + 1)...]
    guard digits.count <= 5, digits.allSatisfy(\.isDigit) else { return nil }
    // `host:` leaves the port to the scheme, too (RFC 3986, section 3.2.3).
    guard !digits.isEmpty else { return }
    let number = digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    guard number <= UInt16.max else { return nil }
    port = number
  }

  /// The characters of an IPv6 address, and enough colons. Whether it is one does not matter to
  /// a server that only compares.
  private static func mayBeIPv6(_ text: ArraySlice<UInt8>) -> Bool {
    let colon = UInt8(ascii: ":")
    return text.count <= 45 && text.count(where: { $0 == colon }) >= 2
      && text.allSatisfy { $0.hexValue != nil || $0 == colon || $0 == UInt8(ascii: ".") }
  }

  /// With the scheme's port where none was given.
  func filled(_ defaultPort: Int) -> Authority {
    var authority = self
    authority.port = port ?? defaultPort
    return authority
  }
}
