// Memory of packed weights and of latents: what a step reads most of, in huge pages.

import Platform

/// Zeroed memory that outlives every matrix and every view in it: the model keeps it.
public final class LargeMemory: Sendable {
  private let memory: AnonymousMemory
  /// Its size.
  public let byteCount: Int

  /// Takes the memory; nothing is resident before it is filled.
  public init(byteCount: Int) throws(PlatformError) {
    memory = try AnonymousMemory(count: max(byteCount, 1))
    self.byteCount = byteCount
  }

  /// All of it, for saving and for loading what was saved.
  public var bytes: UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<byteCount])
  }

  /// Bytes of a huge page; the memory begins with one.
  public static let pageBytes = AnonymousMemory.hugePage

  /// Has the system give memory to a page that nobody has written to yet: on the calling thread's
  /// node (man 7 numa, "local").
  public func touch(page: Int) {
    let end = min((page + 1) * Self.pageBytes, byteCount)
    precondition(page >= 0 && page * Self.pageBytes < end, "page out of bounds")
    // In small pages, too, where the system has no huge ones.
    for offset in stride(from: page * Self.pageBytes, to: end, by: Self.smallPageBytes) {
      unsafe memory.bytes[offset] = 0
    }
  }

  private static let smallPageBytes = 4096

  func bytes(_ range: Range<Int>) -> UnsafeMutableRawPointer {
    precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "out of bounds")
    precondition(range.lowerBound.isMultiple(of: PackedMatrix.alignment), "alignment")
    return unsafe memory.bytes.baseAddress! + range.lowerBound
  }
}
