// What stands before the weights in a cache of packed weights (see PackedCache).

import CXXHash

/// The header of one cache: what it must say to be the right one.
struct PackedCacheHeader: Sendable, Equatable {
  /// Bytes of weights.
  let byteCount: Int
  private let fingerprint: [UInt8]

  /// - Parameter description: of checkpoint and layout.
  init(description: String, byteCount: Int) {
    self.byteCount = byteCount
    let text = Array(description.utf8)
    let hash = unsafe text.withUnsafeBytes { unsafe XXH3_128bits($0.baseAddress, $0.count) }
    fingerprint = Self.littleEndian(hash.low64) + Self.littleEndian(hash.high64)
  }

  private static let magic = Array("HADALPAK".utf8)
  /// Counts changes of this layout and of the panels'.
  private static let version: UInt64 = 2
  private static let pieceBytes = 16 << 20
  private static let alignment = 4096

  var pieceCount: Int { (byteCount + Self.pieceBytes - 1) / Self.pieceBytes }

  /// Where a piece lies among the weights.
  func range(_ piece: Int) -> Range<Int> {
    piece * Self.pieceBytes..<min((piece + 1) * Self.pieceBytes, byteCount)
  }

  /// Bytes of the header, and where the weights begin.
  var size: Int { fixedPart.count + 8 * pieceCount + 8 }
  var dataStart: Int { (size + Self.alignment - 1) / Self.alignment * Self.alignment }

  /// What does not depend on the weights' values.
  private var fixedPart: [UInt8] {
    Self.magic + Self.littleEndian(Self.version) + Self.littleEndian(UInt64(Self.pieceBytes))
      + fingerprint + Self.littleEndian(UInt64(byteCount))
  }

  /// The whole header, with what pads it.
  func bytes(pieceSums: [UInt64]) -> [UInt8] {
    let content = fixedPart + pieceSums.flatMap(Self.littleEndian)
    let all = content + Self.littleEndian(Self.hash(content[...]))
    return all + [UInt8](repeating: 0, count: dataStart - all.count)
  }

  /// The checksums of the pieces, from the bytes that a file of some size begins with.
  func pieceSums(
    of bytes: [UInt8], fileSize: Int, path: String
  ) throws(PackedCacheError) -> [UInt64] {
    let fixed = fixedPart
    guard bytes.starts(with: fixed.prefix(Self.magic.count + 16)) else { throw .otherFormat(path) }
    guard bytes.starts(with: fixed) else { throw .outdated(path) }
    guard bytes.count == size, fileSize == dataStart + byteCount,
      Self.number(bytes.suffix(8)) == Self.hash(bytes.dropLast(8))
    else { throw .damaged(path) }
    return (0..<pieceCount).map {
      Self.number(bytes[fixed.count + 8 * $0..<fixed.count + 8 * $0 + 8])
    }
  }

  private static func hash(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    unsafe bytes.withUnsafeBytes { unsafe XXH3_64bits($0.baseAddress, $0.count) }
  }

  private static func littleEndian(_ value: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
