// The alphabet of byte-level BPE: each byte as one printable character, so that a vocabulary of
// arbitrary bytes can be written as text. From GPT-2's encoder.py: printable Latin-1 characters
// stand for themselves, the 68 other bytes for U+0100 onwards in order.

enum ByteAlphabet {
  /// The character of each byte.
  static let scalars: [UInt32] = {
    var scalars: [UInt32] = []
    var next: UInt32 = 0x100
    for byte in UInt32(0)..<256 {
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: scalars.append(byte)
      default:
        scalars.append(next)
        next += 1
      }
    }
    return scalars
  }()

  /// The byte of each character below `scalarLimit`, or -1.
  private static let bytes: [Int16] = {
    var bytes = Array(repeating: Int16(-1), count: scalarLimit)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar)] = Int16(byte) }
    return bytes
  }()

  private static let scalarLimit = 0x144

  /// `input` in the alphabet, as UTF-8.
  static func encode(_ input: some Sequence<UInt8>, to output: inout [UInt8]) {
    for byte in input {
      let scalar = scalars[Int(byte)]
      if scalar < 0x80 {
        output.append(UInt8(scalar))
      } else {
        output.append(UInt8(0xC0 | scalar >> 6))
        output.append(UInt8(0x80 | scalar & 0x3F))
      }
    }
  }

  /// The bytes a token stands for. A token with any character outside the alphabet stands for its
  /// own UTF-8, all of it, as in the ByteLevel decoder.
  static func decode(_ content: ArraySlice<UInt8>) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(content.count)
    var index = content.startIndex
    while index < content.endIndex {
      let first = content[index]
      var scalar = Int(first)
      index += 1
      if first >= 0x80 {
        guard first & 0xE0 == 0xC0, index < content.endIndex else { return Array(content) }
        scalar = Int(first & 0x1F) << 6 | Int(content[index] & 0x3F)
        index += 1
      }
      guard scalar < scalarLimit, bytes[scalar] >= 0 else { return Array(content) }
      output.append(UInt8(bytes[scalar]))
    }
    return output
  }
}
