// Memory that ends exactly at an unreadable page, so that a kernel which reads one byte too far
// crashes the test.

import Glibc

@safe
final class GuardedMemory: @unchecked Sendable {
  // Unchecked: each test uses its memory from one thread.
  private let mapping: UnsafeMutableRawPointer
  private let length: Int
  private let size: Int

  init(byteCount: Int) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    size = byteCount
    length = (byteCount + page - 1) / page * page
    unsafe mapping = mmap(
      nil, length + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    let status = unsafe mprotect(mapping + length, page, PROT_NONE)
    precondition(status == 0)
  }

  deinit { unsafe munmap(mapping, length) }

  /// The last `size` bytes before the guard.
  var bytes: UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(start: mapping + length - size, count: size)
  }
}
