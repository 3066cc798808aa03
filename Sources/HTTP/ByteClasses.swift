// The byte classes of RFC 9110 and RFC 3986 that the parser tells apart.

extension UInt8 {
  static let lineFeed = UInt8(ascii: "\n")
  static let carriageReturn = UInt8(ascii: "\r")
  static let space = UInt8(ascii: " ")
  static let tab = UInt8(ascii: "\t")

  var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

  var isLetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self | 0x20) }

  var isOptionalSpace: Bool { self == .space || self == .tab }

  /// The digit's value, nil for other bytes.
  var hexValue: UInt8? {
    switch self {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  /// `tchar`, RFC 9110, section 5.6.2.
  var isToken: Bool {
    if isDigit || isLetter { return true }
    switch self {
    case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"),
      UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"),
      UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"),
      UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
      return true
    default: return false
    }
  }

  /// `field-vchar`, space or tab, RFC 9110, section 5.5: everything but control bytes.
  var isFieldValue: Bool { self >= 0x20 && self != 0x7F || self == .tab }

  /// `unreserved` or `sub-delims`, RFC 3986, section 2.
  var isNameCharacter: Bool {
    if isDigit || isLetter { return true }
    switch self {
    case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"),
      UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"),
      UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "*"), UInt8(ascii: "+"),
      UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "="):
      return true
    default: return false
    }
  }

  /// What a path may hold besides percent escapes: `pchar` and the slash, RFC 3986, section 3.3.
  var isPathCharacter: Bool {
    isNameCharacter || self == UInt8(ascii: ":") || self == UInt8(ascii: "@")
      || self == UInt8(ascii: "/")
  }
}

extension ArraySlice<UInt8> {
  /// Whether all bytes satisfy `isAllowed` or belong to a percent escape, RFC 3986, section 2.1.
  func isPercentEncoded(with isAllowed: (UInt8) -> Bool) -> Bool {
    var position = startIndex
    while position < endIndex {
      if self[position] == UInt8(ascii: "%") {
        guard endIndex - position >= 3, self[position + 1].hexValue != nil,
          self[position + 2].hexValue != nil
        else { return false }
        position += 3
      } else if isAllowed(self[position]) {
        position += 1
      } else {
        return false
      }
    }
    return true
  }

  /// Without the spaces and tabs at both ends.
  var trimmed: ArraySlice<UInt8> {
    var slice = self
    while let first = slice.first, first.isOptionalSpace { slice = slice.dropFirst() }
    while let last = slice.last, last.isOptionalSpace { slice = slice.dropLast() }
    return slice
  }
}
