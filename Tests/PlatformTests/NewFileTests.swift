// Files appear whole or not at all.

import Foundation
import Glibc
import Platform
import TestSupport
import Testing

@Suite("New files")
struct NewFileTests {
  let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
  }

  private var names: [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
  }

  private func write(_ parts: [[UInt8]], to path: String, commits: Bool) throws {
    let before = names
    let file = try NewFile(path: path, size: parts.reduce(0) { $0 + $1.count })
    for part in parts { try unsafe file.append(part.span.bytes) }
    // Where files can be without a name there is nothing else either.
    #expect(names.filter { !$0.hasSuffix(".partial") } == before)
    if commits { try file.commit() }
  }

  @Test("a file has its name and all its bytes when it is committed")
  func commit() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    let parts = [0, 1, 100_000, 7].map { count in
      (0..<count).map { _ in UInt8.random(in: 0 ... .max, using: &g) }
    }
    let path = directory.path + "/new"
    try write(parts, to: path, commits: true)
    #expect(try FileReader.read(path, limit: .max) == parts.flatMap { $0 }, "seed \(seed)")
    #expect(names == ["new"])
  }

  @Test("what is not committed leaves nothing, and the old file as it was")
  func abandon() throws {
    try directory.write("old", [1, 2, 3])
    try write([[4, 5]], to: directory.path + "/old", commits: false)
    #expect(try FileReader.read(directory.path + "/old", limit: 3) == [1, 2, 3])
    #expect(names == ["old"])
    try write([[4, 5]], to: directory.path + "/old", commits: true)
    #expect(try FileReader.read(directory.path + "/old", limit: 3) == [4, 5])
    #expect(names == ["old"])
  }

  @Test("a folder that is not there, or in the file's place, is an error")
  func badPlace() throws {
    #expect(throws: PlatformError.self) {
      try NewFile(path: directory.path + "/none/file", size: 1)
    }
    try directory.write("folder/inner", [1])
    for name in ["/folder", "/folder/", "/new/", "/folder/inner/file"] {
      #expect(throws: PlatformError.self) { try NewFile(path: directory.path + name, size: 1) }
    }
    #expect(throws: PlatformError.self) { try NewFile(path: "", size: 1) }
    #expect(names == ["folder"])
  }

  @Test("devices and pipes are not replaced, links to files are")
  func otherKinds() throws {
    let pipe = directory.path + "/pipe"
    let made = unsafe mkfifo(pipe, 0o600)
    try #require(made == 0)
    for path in [pipe, "/dev/null"] {
      #expect(throws: PlatformError.notARegularFile(path)) { try NewFile(path: path, size: 1) }
    }
    let target = try directory.write("target", [1])
    let link = directory.path + "/link"
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: target)
    try write([[2, 3]], to: link, commits: true)
    #expect(try FileReader.read(link, limit: 2) == [2, 3])
    #expect(try FileReader.read(target, limit: 2) == [1])
    #expect(Set(names) == ["pipe", "target", "link"])
  }

  @Test("a name as long as the file system takes")
  func longName() throws {
    let name = String(repeating: "n", count: 255)
    try write([[1]], to: directory.path + "/" + name, commits: true)
    #expect(names == [name])
    #expect(throws: PlatformError.self) {
      try NewFile(path: directory.path + "/" + name + "n", size: 1)
    }
  }

  @Test("more than the disk has is refused before anything is written")
  func fullDisk() throws {
    #expect(throws: PlatformError.self) {
      try NewFile(path: directory.path + "/huge", size: 1 << 60)
    }
    #expect(names.isEmpty)
  }
}
