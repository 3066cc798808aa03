// The functions of an ELF file, 64 bits and little-endian (elf(5)). Pure; whatever the bytes say,
// nothing outside of them is read.

/// Function symbols by address.
struct ELFSymbols {
  private struct Segment {
    let fileOffset: UInt
    let address: UInt
    let size: UInt
  }

  private struct Function {
    let address: UInt
    let size: UInt
    /// Where its name begins in the file.
    let name: Int
  }

  private let bytes: [UInt8]
  private var segments: [Segment] = []
  private var functions: [Function] = []

  private static let header = 64
  private static let sectionSize = 64
  private static let segmentSize = 56
  private static let symbolSize = 24

  /// Nil when this is no such file.
  init?(_ bytes: [UInt8]) {
    guard bytes.count >= Self.header, bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46, 2, 1]) else {
      return nil
    }
    self.bytes = bytes
    let segmentTable = Int(clamping: integer(32, 8))
    for index in 0..<Int(integer(56, 2)) {
      let start = segmentTable.addingReportingOverflow(index * Self.segmentSize).partialValue
      // PT_LOAD
      guard integer(start, 4) == 1 else { continue }
      segments.append(
        Segment(
          fileOffset: integer(start + 8, 8), address: integer(start + 16, 8),
          size: integer(start + 32, 8)))
    }
    readSymbols()
  }

  private mutating func readSymbols() {
    let table = Int(clamping: integer(40, 8))
    let count = Int(integer(60, 2))
    for index in 0..<count {
      let start = table.addingReportingOverflow(index * Self.sectionSize).partialValue
      // SHT_SYMTAB and SHT_DYNSYM: a stripped file has the latter alone.
      guard [2, 11].contains(integer(start + 4, 4)) else { continue }
      let link = Int(integer(start + 40, 4))
      guard link < count else { continue }
      let names = Int(clamping: integer(table + link * Self.sectionSize + 24, 8))
      let first = Int(clamping: integer(start + 24, 8))
      let size = Int(clamping: integer(start + 32, 8))
      guard first <= bytes.count, size <= bytes.count - first else { continue }
      for symbol in stride(from: first, to: first + size, by: Self.symbolSize) {
        // STT_FUNC
        guard integer(symbol + 4, 1) & 15 == 2 else { continue }
        let name = names.addingReportingOverflow(Int(integer(symbol, 4))).partialValue
        functions.append(
          Function(
            address: integer(symbol + 8, 8), size: integer(symbol + 16, 8), name: name))
      }
    }
  }

  /// The function whose code lies at an offset of the file.
  func function(atFileOffset offset: UInt) -> (name: String, distance: UInt)? {
    guard
      let segment = segments.first(where: {
        offset >= $0.fileOffset && offset - $0.fileOffset < $0.size
      })
    else { return nil }
    let address = offset - segment.fileOffset &+ segment.address
    guard
      let function = functions.first(where: {
        address >= $0.address && address - $0.address < $0.size
      }),
      bytes.indices.contains(function.name)
    else { return nil }
    let name = bytes[function.name...].prefix(Self.nameLimit).prefix { $0 != 0 }
    return (String(decoding: name, as: UTF8.self), address - function.address)
  }

  private static let nameLimit = 4096

  /// A little-endian number of `size` bytes; 0 where the file has ended.
  private func integer(_ offset: Int, _ size: Int) -> UInt {
    guard offset >= 0, offset <= bytes.count - size else { return 0 }
    return bytes[offset..<offset + size].reversed().reduce(0) { $0 << 8 | UInt($1) }
  }
}
