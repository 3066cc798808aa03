// Memory of packed weights and of latents: what a step reads most of.

import Platform

/// Memory that outlives every matrix and every view in it: the model keeps it. Zeroed memory of its
/// own, in huge pages; or part of a file where it lies, only to be read.
@safe
public final class LargeMemory: @unchecked Sendable {
  // Unchecked: whoever writes to the bytes sees to it that nobody else reads them meanwhile.
  /// All of it.
  @unsafe public let bytes: UnsafeRawBufferPointer
  /// The same, to be filled; nil for a file.
  @unsafe public let writableBytes: UnsafeMutableRawBufferPointer?
  /// Whom the bytes belong to.
  private let owner: any AnyObject & Sendable

  /// Takes the memory; nothing is resident before it is filled.
  public init(byteCount: Int) throws(PlatformError) {
    let memory = try AnonymousMemory(count: max(byteCount, 1))
    let all = unsafe UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<byteCount])
    unsafe (bytes, writableBytes) = unsafe (UnsafeRawBufferPointer(all), all)
    owner = memory
  }

  /// The bytes of a file from `offset` on, a multiple of `PackedMatrix.alignment`.
  public init(_ file: MappedFile, from offset: Int) {
    precondition(offset.isMultiple(of: PackedMatrix.alignment), "alignment")
    unsafe bytes = UnsafeRawBufferPointer(rebasing: file.bytes[offset...])
    unsafe writableBytes = nil
    owner = file
  }

  /// Its size.
  public var byteCount: Int { unsafe bytes.count }

  /// Bytes of a huge page; the memory begins with one.
  public static let pageBytes = AnonymousMemory.hugePage

  /// Has the system give memory to a page that nobody has written to yet: on the calling thread's
  /// node (man 7 numa, "local").
  public func touch(page: Int) {
    let end = min((page + 1) * Self.pageBytes, byteCount)
    precondition(page >= 0 && page * Self.pageBytes < end, "page out of bounds")
    guard let bytes = unsafe writableBytes else { preconditionFailure("a file is not written") }
    // In small pages, too, where the system has no huge ones.
    for offset in stride(from: page * Self.pageBytes, to: end, by: Self.smallPageBytes) {
      unsafe bytes[offset] = 0
    }
  }

  private static let smallPageBytes = 4096

  /// Where a part begins.
  func start(of range: Range<Int>) -> UnsafePointer<UInt8> {
    precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "out of bounds")
    precondition(range.lowerBound.isMultiple(of: PackedMatrix.alignment), "alignment")
    let start = unsafe bytes.baseAddress! + range.lowerBound
    return unsafe start.assumingMemoryBound(to: UInt8.self)
  }
}
