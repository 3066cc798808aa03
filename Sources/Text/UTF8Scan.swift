// Reading characters out of UTF-8 that is known to be valid (RFC 3629).

enum UTF8Scan {
  /// Length of the sequence that `lead` begins, 1 for a byte that begins none.
  static func width(ofLead lead: UInt8) -> Int {
    switch lead {
    case 0xC0...0xDF: 2
    case 0xE0...0xEF: 3
    case 0xF0...0xFF: 4
    default: 1
    }
  }

  /// The code point of the one character that fills `range`.
  static func value(in bytes: [UInt8], _ range: Range<Int>) -> UInt32 {
    let lead = bytes[range.lowerBound]
    guard range.count > 1 else { return UInt32(lead) }
    var value = UInt32(lead) & (0x7F >> UInt32(range.count))
    for index in range.dropFirst() { value = value << 6 | UInt32(bytes[index] & 0x3F) }
    return value
  }

  static func scalar(in bytes: [UInt8], _ range: Range<Int>) -> Unicode.Scalar? {
    Unicode.Scalar(value(in: bytes, range))
  }

  /// How many bytes at the end of `bytes` may be the beginning of a character whose rest is still
  /// to come: 0 to 3. What lies before them decodes the same whatever follows.
  static func incompleteSuffix(of bytes: [UInt8]) -> Int {
    for length in 1...3 where length <= bytes.count {
      let lead = bytes[bytes.count - length]
      if lead & 0xC0 == 0x80 { continue }
      guard lead >= 0xC2, lead <= 0xF4, width(ofLead: lead) > length else { return 0 }
      guard length > 1 else { return 1 }
      // The second byte is bounded more tightly behind four leads (Unicode table 3-7).
      let second = bytes[bytes.count - length + 1]
      switch lead {
      case 0xE0: return second >= 0xA0 ? length : 0
      case 0xED: return second <= 0x9F ? length : 0
      case 0xF0: return second >= 0x90 ? length : 0
      case 0xF4: return second <= 0x8F ? length : 0
      default: return length
      }
    }
    return 0
  }
}
