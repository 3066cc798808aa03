// Packed weights come back from their file bit for bit, or not at all.

import Compute
import Foundation
import TestSupport
import Testing
import Weights

@Suite("Cache of packed weights")
struct PackedCacheTests {
  /// A checkpoint with some matrices of two formats.
  private struct Model {
    let directory: TemporaryDirectory
    let checkpoint: Checkpoint
    private(set) var memory: LargeMemory
    private(set) var packer: WeightPacker

    var cache: PackedCache {
      PackedCache(
        path: directory.path + "/hadal.packed", checkpoint: checkpoint, packer: packer)
    }

    init(rows: Int = 40, seed: UInt8 = 1, packs: Bool = true) throws {
      let wide = (0..<rows * 48).map { Float(($0 &* 31 &+ Int(seed)) % 97) }
      let halves = (0..<rows * 32 * 2).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ Int(seed)) }
      directory = try TemporaryDirectory(
        model: safetensors([
          Tensor("a", [rows, 48], wide), Tensor("b", "BF16", [rows, 32], halves),
        ]))
      checkpoint = try directory.open()
      let plan = WeightPacker(memory: nil)
      _ = try Self.place(checkpoint, plan, rows)
      memory = try LargeMemory(byteCount: plan.byteCount)
      packer = WeightPacker(memory: memory)
      _ = try Self.place(checkpoint, packer, rows)
      if packs { packer.pack(on: try WorkerPool(threadCount: 2)) { _ in } }
    }

    private static func place(
      _ checkpoint: Checkpoint, _ packer: WeightPacker, _ rows: Int
    ) throws -> [PackedMatrix] {
      let a = try checkpoint.requireMatrix("a", rows: rows, columns: 48)
      let b = try checkpoint.requireMatrix("b", rows: rows, columns: 32)
      return [packer.place(a), packer.place(transposed: b), packer.place(b)]
    }

    var bytes: [UInt8] { unsafe [UInt8](memory.bytes) }
  }

  private func read(_ path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: path)))
  }

  private func write(_ bytes: [UInt8], _ path: String) throws {
    try Data(bytes).write(to: URL(filePath: path))
  }

  @Test("what was packed is read again, by any number of threads", arguments: [1, 3])
  func roundTrip(threads: Int) throws {
    let pool = try WorkerPool(threadCount: threads)
    let model = try Model()
    #expect(!model.cache.exists)
    try model.cache.save(model.memory, on: pool) { _ in }
    #expect(model.cache.exists)
    let other = try LargeMemory(byteCount: model.memory.byteCount)
    var reported = 0
    try model.cache.load(into: other, on: pool) { reported = $0 }
    #expect(unsafe [UInt8](other.bytes) == model.bytes)
    #expect(reported == model.bytes.count)
    #expect(model.bytes.contains { $0 != 0 })
  }

  @Test("a cache of another checkpoint, of a changed one, or of another layout is outdated")
  func outdated() throws {
    let pool = try WorkerPool(threadCount: 1)
    let (model, other) = (try Model(), try Model(rows: 41))
    try model.cache.save(model.memory, on: pool) { _ in }
    try write(try read(model.cache.path), other.cache.path)
    #expect(throws: PackedCacheError.outdated(other.cache.path)) {
      try other.cache.load(into: other.memory, on: pool) { _ in }
    }
    // The same shapes, written later.
    let later = try Model(seed: 2)
    try write(try read(model.cache.path), later.cache.path)
    #expect(throws: PackedCacheError.outdated(later.cache.path)) {
      try later.cache.load(into: later.memory, on: pool) { _ in }
    }
  }

  @Test("every damaged byte and every length is noticed")
  func damage() throws {
    let pool = try WorkerPool(threadCount: 1)
    let model = try Model()
    let cache = model.cache
    try cache.save(model.memory, on: pool) { _ in }
    let good = try read(cache.path)
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    // Between header and weights lies padding that nothing depends on.
    let header = 8 + 8 + 8 + 16 + 8 + 8 + 8
    var positions = Array(0..<header)
    positions += (0..<200).map { _ in Int.random(in: 4096..<good.count, using: &g) }
    for position in positions {
      var bad = good
      bad[position] ^= UInt8(1 << Int.random(in: 0..<8, using: &g))
      try write(bad, cache.path)
      #expect(throws: PackedCacheError.self, "seed \(seed), byte \(position)") {
        try cache.load(into: model.memory, on: pool) { _ in }
      }
    }
    for length in [0, 1, 8, 47, header - 1, header, 4096, good.count - 1] {
      try write(Array(good[..<length]), cache.path)
      #expect(throws: PackedCacheError.self, "length \(length)") {
        try cache.load(into: model.memory, on: pool) { _ in }
      }
    }
    try write(good + [0], cache.path)
    #expect(throws: PackedCacheError.damaged(cache.path)) {
      try cache.load(into: model.memory, on: pool) { _ in }
    }
    try write(good, cache.path)
    try cache.load(into: model.memory, on: pool) { _ in }
  }

  @Test("a mapped file has the same weights, is checked by its head, and outlives its name")
  func mapped() throws {
    let pool = try WorkerPool(threadCount: 1)
    let (model, other) = (try Model(), try Model(rows: 41))
    let cache = model.cache
    #expect(throws: PackedCacheError.self) { try cache.map() }
    try cache.save(model.memory, on: pool) { _ in }
    let memory = try cache.map()
    #expect(unsafe memory.writableBytes == nil)
    let good = try read(cache.path)
    for length in [0, 1, 47, 64, 4096, good.count - 1] {
      try write(Array(good[..<length]), other.cache.path)
      #expect(throws: PackedCacheError.self, "length \(length)") { try other.cache.map() }
    }
    try write(good, other.cache.path)
    #expect(throws: PackedCacheError.outdated(other.cache.path)) { try other.cache.map() }
    try FileManager.default.removeItem(atPath: cache.path)
    #expect(unsafe [UInt8](memory.bytes) == model.bytes)
  }

  @Test("a folder that cannot be written is an error with its name, and leaves nothing")
  func unwritable() throws {
    let model = try Model()
    let cache = PackedCache(
      path: "/proc/hadal.packed", checkpoint: model.checkpoint, packer: model.packer)
    #expect(throws: PackedCacheError.self) {
      try cache.save(model.memory, on: try WorkerPool(threadCount: 1)) { _ in }
    }
  }
}
