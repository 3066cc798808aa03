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

  func bytes(_ range: Range<Int>) -> UnsafeMutableRawPointer {
    precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "out of bounds")
    precondition(range.lowerBound.isMultiple(of: PackedMatrix.alignment), "alignment")
    return unsafe memory.bytes.baseAddress! + range.lowerBound
  }
}
