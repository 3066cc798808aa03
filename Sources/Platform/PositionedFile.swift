// A file that several threads read pieces of at once.

import Glibc

/// A regular file, read at positions.
public final class PositionedFile: Sendable {
  private let path: String
  private let file: RegularFile

  /// Opens the file; pipes and devices are refused.
  public init(path: String) throws(PlatformError) {
    self.path = path
    file = try RegularFile(path: path)
  }

  /// Size in bytes when opened.
  public var size: Int { file.size }

  /// Fills all of `bytes` from `position` on.
  public func read(
    into bytes: UnsafeMutableRawBufferPointer, at position: Int
  ) throws(PlatformError) {
    var done = 0
    while done < bytes.count {
      let count = try systemCall("pread", subject: path) {
        unsafe pread(
          file.descriptor, bytes.baseAddress! + done, bytes.count - done, position + done)
      }
      guard count > 0 else { throw .malformedFile(path) }
      done += count
    }
  }

  /// The first `count` bytes.
  public func prefix(_ count: Int) throws(PlatformError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let outcome = unsafe bytes.withUnsafeMutableBytes { buffer in
      Result { () throws(PlatformError) in unsafe try read(into: buffer, at: 0) }
    }
    try outcome.get()
    return bytes
  }
}
