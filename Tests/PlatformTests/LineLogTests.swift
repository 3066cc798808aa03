// The log that never waits: order, loss, reopening.

import Dispatch
import Foundation
import Glibc
import Platform
import Synchronization
import TestSupport
import Testing

@Suite("Line log")
struct LineLogTests {
  private func lines(_ path: String) throws -> [String] {
    let bytes = try FileReader.read(path, limit: 1 << 24)
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  @Test("lines of many threads arrive whole, each thread's in order")
  func order() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/log"
    let log = try LineLog(.file(path), queueBytes: 1 << 24)
    DispatchQueue.concurrentPerform(iterations: 8) { thread in
      for number in 0..<500 {
        let filler = String(repeating: "x", count: number * 37 % 6000)
        log.write(Array("\(thread) \(number) \(filler)\n".utf8))
      }
    }
    #expect(log.flush(seconds: 60))
    let seen = try lines(path).map { $0.split(separator: " ").compactMap { Int($0) } }
    #expect(seen.count == 4000 && log.droppedLines == 0)
    for thread in 0..<8 {
      #expect(seen.filter { $0[0] == thread }.map { $0[1] } == Array(0..<500))
    }
  }

  @Test("a pipe that nobody reads costs lines, not time; read again, it goes on")
  func stuck() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/pipe"
    #expect(unsafe mkfifo(path, 0o600) == 0)
    #expect(throws: PlatformError.self) { try LineLog(.file(path)) }
    let reader = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    try #require(reader >= 0)
    // F_SETPIPE_SZ, which Glibc's module leaves away: the queue alone holds more than the pipe.
    #expect(fcntl(reader, 1031, 4096) == 4096)
    let log = try LineLog(.file(path), queueBytes: 10_000)
    let line = Array((String(repeating: "y", count: 99) + "\n").utf8)
    for _ in 0..<2000 { log.write(line) }
    #expect(!log.flush(seconds: 0))
    let dropped = log.droppedLines
    #expect(dropped > 2000 - 300)
    var (bytes, buffer) = (0, [UInt8](repeating: 0, count: 1 << 16))
    let expected = (2000 - dropped) * 100
    while bytes < expected {
      let count = unsafe read(reader, &buffer, buffer.count)
      if count > 0 { bytes += count } else { sched_yield() }
    }
    #expect(bytes == expected)
    #expect(log.flush(seconds: 60))
    log.write(line)
    #expect(log.flush(seconds: 60))
    #expect(unsafe read(reader, &buffer, buffer.count) == 100)
    close(reader)
  }

  @Test("a pipe that was closed is told of once, and ends no process")
  func closed() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/pipe"
    #expect(unsafe mkfifo(path, 0o600) == 0)
    let reader = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    let troubles = Atomic<Int>(0)
    let log = try LineLog(.file(path)) { _ in troubles.add(1, ordering: .relaxed) }
    close(reader)
    for _ in 0..<3 {
      log.write(Array("lost\n".utf8))
      #expect(log.flush(seconds: 60))
    }
    #expect(log.droppedLines == 3)
    #expect(troubles.load(ordering: .relaxed) == 1)
  }

  @Test("reopened, it writes to whatever has the name; what cannot be opened changes nothing")
  func reopening() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/log"
    let troubles = Atomic<Int>(0)
    let log = try LineLog(.file(path)) { _ in troubles.add(1, ordering: .relaxed) }
    func write(_ line: String) {
      log.write(Array("\(line)\n".utf8))
      #expect(log.flush(seconds: 60))
    }
    write("one")
    try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
    write("two")
    log.reopen()
    write("three")
    #expect(try lines(path + ".1") == ["one", "two"])
    #expect(try lines(path) == ["three"])
    try FileManager.default.moveItem(atPath: path, toPath: path + ".2")
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    log.reopen()
    write("four")
    #expect(try lines(path + ".2") == ["three", "four"])
    #expect(troubles.load(ordering: .relaxed) == 1)
  }

  @Test("what cannot be opened is refused at the start")
  func refusal() throws {
    let directory = try TemporaryDirectory()
    #expect(throws: PlatformError.self) { try LineLog(.file(directory.path)) }
    #expect(throws: PlatformError.self) { try LineLog(.file(directory.path + "/none/log")) }
  }
}
