// Reading, mapping and listing, against what Foundation wrote.

import Glibc
import Platform
import TestSupport
import Testing

@Suite("Files")
struct FileTests {
  let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
  }

  @Test("a file is read whole up to its limit", arguments: [0, 1, 4096, 65535, 65536, 200_001])
  func read(size: Int) throws {
    let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let path = try directory.write("file", bytes)
    #expect(try FileReader.read(path, limit: size) == bytes)
    #expect(try FileReader.read(path, limit: .max) == bytes)
    if size > 0 {
      #expect(throws: PlatformError.fileTooLarge(path: path, limit: size - 1)) {
        try FileReader.read(path, limit: size - 1)
      }
    }
  }

  @Test("a file without a recorded size is read to its end")
  func readProc() throws {
    let text = String(decoding: try FileReader.read("/proc/meminfo", limit: 1 << 20), as: UTF8.self)
    #expect(text.contains("MemTotal:"))
    #expect(throws: PlatformError.fileTooLarge(path: "/proc/meminfo", limit: 10)) {
      try FileReader.read("/proc/meminfo", limit: 10)
    }
  }

  @Test("a mapping has the file's bytes", arguments: [0, 1, 4096, 4097, 100_000])
  func map(size: Int) throws {
    let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let file = try MappedFile(path: directory.write("file", bytes))
    #expect(file.count == size)
    #expect(file.copy(0..<size) == bytes)
    #expect(file.copy(size / 3..<size / 2) == Array(bytes[size / 3..<size / 2]))
    #expect(unsafe file.bytes.elementsEqual(bytes))
  }

  @Test("what is no regular file is refused, a pipe without waiting")
  func irregular() throws {
    let pipe = directory.path + "/pipe"
    #expect(unsafe mkfifo(pipe, 0o600) == 0)
    for path in [directory.path, pipe, "/dev/null"] {
      #expect(throws: PlatformError.notARegularFile(path)) { try MappedFile(path: path) }
      #expect(throws: PlatformError.notARegularFile(path)) {
        try FileReader.read(path, limit: 10)
      }
    }
    let missing = directory.path + "/missing"
    let error = PlatformError.systemCall(name: "open", errno: ENOENT, subject: missing)
    #expect(throws: error) { try MappedFile(path: missing) }
    #expect(throws: error) { try FileReader.read(missing, limit: 10) }
    #expect(error.description == "\(missing): open: No such file or directory")
  }

  @Test("what exists, of whatever kind, and what does not")
  func existence() throws {
    try directory.write("a", "x")
    #expect(FileReader.exists(directory.path + "/a"))
    #expect(FileReader.exists(directory.path))
    #expect(!FileReader.exists(directory.path + "/c"))
  }

  @Test("the clock does not go back")
  func clock() {
    let times = (0..<1000).map { _ in MonotonicClock.nanoseconds }
    #expect(times == times.sorted())
  }
}
