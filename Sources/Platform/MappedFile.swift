// A file mapped into memory: how weights are read. The mapping is private and read-only, made
// once and never changed, and lives as long as its owner. Who shortens the file underneath kills
// the process (SIGBUS), as with every mapping: checkpoints are replaced by renaming, not in place.

import Glibc

/// The bytes of a regular file, immutable and therefore free to be read from any thread.
@safe public final class MappedFile: @unchecked Sendable {
  // Unchecked because of the pointer: what it points to is never written after init.

  /// As it was given.
  public let path: String
  /// All bytes of the file; valid while this object lives. Empty for an empty file.
  @unsafe public let bytes: UnsafeRawBufferPointer

  /// When its contents last changed, in nanoseconds of the file system's clock.
  public let modified: Int

  /// Maps the whole file. Only regular files can be mapped; an empty one is allowed.
  public init(path: String) throws(PlatformError) {
    let file = try RegularFile(path: path)
    self.path = path
    modified = file.modified
    guard file.size > 0 else {
      unsafe bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    let address = unsafe mmap(nil, file.size, PROT_READ, MAP_PRIVATE, file.descriptor, 0)
    guard let address = unsafe address, unsafe address != MAP_FAILED else {
      throw .last("mmap", path)
    }
    unsafe bytes = UnsafeRawBufferPointer(start: address, count: file.size)
  }

  deinit {
    guard let base = unsafe bytes.baseAddress else { return }
    unsafe munmap(UnsafeMutableRawPointer(mutating: base), bytes.count)
  }

  /// Lets go of the pages of part of a mapped file, as far as they lie in it alone. They are read
  /// again when they are touched again.
  public static func release(_ part: UnsafeRawBufferPointer) {
    guard let base = part.baseAddress else { return }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let first = (Int(bitPattern: base) + page - 1) / page * page
    let end = (Int(bitPattern: base) + part.count) / page * page
    guard first < end, let start = unsafe UnsafeMutableRawPointer(bitPattern: first) else {
      return
    }
    _ = unsafe madvise(start, end - first, MADV_DONTNEED)
  }

  /// Size in bytes.
  public var count: Int { unsafe bytes.count }

  /// A copy of part of the file.
  public func copy(_ range: Range<Int>) -> [UInt8] {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    return unsafe [UInt8](bytes[range])
  }
}
