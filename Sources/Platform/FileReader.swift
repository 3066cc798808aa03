// Small files read whole, and what a directory holds. Large files are mapped (MappedFile).

import Glibc

/// Reading of small files and directories.
public enum FileReader {
  /// All bytes of a regular file, at most `limit` of them. Reads to the end instead of trusting
  /// the recorded size, which files of /proc and /sys do not have.
  public static func read(_ path: String, limit: Int) throws(PlatformError) -> [UInt8] {
    precondition(limit >= 0)
    let file = try RegularFile(path: path)
    guard file.size <= limit else { throw .fileTooLarge(path: path, limit: limit) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(file.size)
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = unsafe chunk.withUnsafeMutableBytes {
        unsafe Glibc.read(file.descriptor, $0.baseAddress, $0.count)
      }
      if count == 0 { return bytes }
      if count < 0 {
        if errno == EINTR { continue }
        throw .last("read", path)
      }
      guard count <= limit - bytes.count else { throw .fileTooLarge(path: path, limit: limit) }
      bytes.append(contentsOf: chunk[..<count])
    }
  }

  /// Whether something, of whatever kind, has this path.
  public static func exists(_ path: String) -> Bool {
    unsafe access(path, F_OK) == 0
  }
}
