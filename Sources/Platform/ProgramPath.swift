// Where the running program lies.

import Glibc

/// The path of the running program.
public enum ProgramPath {
  /// Resolved by the kernel (man 5 proc, `/proc/self/exe`).
  public static func executable() throws(PlatformError) -> String {
    let link = "/proc/self/exe"
    var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe bytes.withUnsafeMutableBytes { buffer in
      unsafe readlink(link, buffer.baseAddress!.assumingMemoryBound(to: CChar.self), buffer.count)
    }
    guard count > 0 else { throw .last("readlink", link) }
    return String(decoding: bytes[..<count], as: UTF8.self)
  }
}
