// Heads of GGUF files that are not what they say: each gets an error, none traps.

import TestSupport
import Testing
import Weights

private func parse(_ bytes: [UInt8]) throws -> GGUFHeader {
  try unsafe bytes.withUnsafeBytes { try unsafe GGUFHeader($0, file: "f") }
}

@Suite("GGUF header")
struct GGUFHeaderTests {
  /// A file with one of everything.
  private static let sample: GGUFFile = {
    GGUFFile(
      [
        ("general.architecture", .string("deepseek2")), ("a", .uint8(255)), ("b", .int8(-128)),
        ("c", .uint16(65535)), ("d", .int16(-2)), ("e", .uint32(4_294_967_295)), ("f", .int32(-1)),
        ("g", .float32(1e-6)), ("h", .bool(true)), ("i", .uint64(1 << 40)), ("j", .int64(.min)),
        ("k", .float64(0.1)), ("l", .uint64(.max)), ("s", .strings(["", "Ġthe", "東京"])),
        ("n", .array(5, [.int32(3), .int32(-4)])), ("m", .array(6, [.float32(0.5)])),
        ("o", .array(7, [.bool(false), .bool(true)])), ("p", .array(4, [])),
      ],
      [
        GGUFTensor("x", [2, 3]), GGUFTensor("y", 12, [1, 256], Array(repeating: 7, count: 144)),
        GGUFTensor("z", 30, [3], [1, 2, 3, 4, 5, 6]), GGUFTensor("none", 0, [0, 5], []),
        GGUFTensor("w", 8, [2, 2, 32], Array(repeating: 9, count: 136)),
      ])
  }()

  @Test("values of every type, tensors in place")
  func everything() throws {
    let header = try parse(Self.sample.bytes)
    let expected: [String: GGUFValue] = [
      "general.architecture": .string("deepseek2"), "a": .integer(255), "b": .integer(-128),
      "c": .integer(65535), "d": .integer(-2), "e": .integer(4_294_967_295), "f": .integer(-1),
      "g": .number(1e-6), "h": .bool(true), "i": .integer(1 << 40), "j": .integer(.min),
      "k": .number(0.1), "l": .large(.max), "s": .strings(["", "Ġthe", "東京"]),
      "n": .integers([3, -4]), "m": .numbers([0.5]), "o": .bools([false, true]), "p": .integers([]),
    ]
    #expect(header.metadata.keys == Self.sample.fields.map(\.key))
    for (key, value) in expected { #expect(header.metadata[key] == value, "\(key)") }
    let bytes = Self.sample.bytes
    for tensor in Self.sample.tensors {
      let entry = try #require(header.entries.first { $0.name == tensor.name })
      #expect(entry.shape == tensor.shape)
      #expect(Array(bytes[entry.range]) == tensor.bytes)
    }
    #expect(
      header.entries.map(\.format.name).sorted() == ["BF16", "F32", "F32", "Q4_K", "Q8_0"])
    var older = Self.sample
    older.version = 2
    #expect(try parse(older.bytes).entries == header.entries)
  }

  @Test("alignments")
  func alignment() throws {
    for alignment in [1, 2, 64, 4096] {
      var file = Self.sample
      file.alignment = alignment
      file.fields.append(("general.alignment", .uint32(UInt32(alignment))))
      let bytes = file.bytes
      for entry in try parse(bytes).entries {
        #expect(entry.range.lowerBound.isMultiple(of: alignment))
        let tensor = try #require(file.tensors.first { $0.name == entry.name })
        #expect(Array(bytes[entry.range]) == tensor.bytes)
      }
    }
  }

  /// What a change of the sample makes of it, and a word of the complaint.
  private static let refused: [(String, @Sendable (inout GGUFFile) -> Void)] = [
    ("does not begin with GGUF", { $0.magic = Array("GGUE".utf8) }),
    ("big-endian", { $0.version = UInt32(3).byteSwapped }),
    ("version 1", { $0.version = 1 }), ("version 4", { $0.version = 4 }),
    ("version 0", { $0.version = 0 }), ("tensors, above", { $0.tensorCount = .max }),
    ("tensors, above", { $0.tensorCount = 1 << 40 }), ("keys, above", { $0.keyCount = .max }),
    ("keys, above", { $0.keyCount = 1 << 63 }),
    ("value type 13", { $0.fields.append(("q", GGUFField(type: 13, bytes: []))) }),
    ("value type", { $0.fields.append(("q", GGUFField(type: .max, bytes: [0]))) }),
    ("a: is there twice", { $0.fields.append(("a", .uint8(1))) }),
    ("a boolean is 2", { $0.fields.append(("q", GGUFField(type: 7, bytes: [2]))) }),
    ("array in an array", { $0.fields.append(("q", .array(9, [.array(0, [])]))) }),
    (
      "not UTF-8",
      { $0.fields.append(("q", GGUFField(type: 8, bytes: littleEndian(UInt64(1)) + [0xFF]))) }
    ),
    (
      "ends inside",
      { $0.fields.append(("q", GGUFField(type: 8, bytes: littleEndian(UInt64.max)))) }
    ),
    (
      "above the limit",
      {
        $0.fields.append(
          ("q", GGUFField(type: 9, bytes: littleEndian(UInt32(0)) + littleEndian(UInt64.max))))
      }
    ),
    (
      "ends inside",
      {
        $0.fields.append(
          ("q", GGUFField(type: 9, bytes: littleEndian(UInt32(8)) + littleEndian(UInt64(1) << 23)))
        )
      }
    ),
    ("general.alignment: is 0", { $0.fields.append(("general.alignment", .uint32(0))) }),
    ("general.alignment: is 48", { $0.fields.append(("general.alignment", .uint32(48))) }),
    ("general.alignment: is -32", { $0.fields.append(("general.alignment", .int32(-32))) }),
    ("general.alignment: is a string", { $0.fields.append(("general.alignment", .string("32"))) }),
    ("power of two", { $0.fields.append(("general.alignment", .uint64(1 << 62))) }),
    (
      "above the limit",
      {
        $0.fields.append(("q", .array(10, [.uint64(1)]))); $0.keyCount = 1 << 17
      }
    ),
    ("x: is there twice", { $0.tensors.append(GGUFTensor("x", [1])) }),
    ("format number 999", { $0.tensors.append(GGUFTensor("t", 999, [1], [])) }),
    ("format IQ4_KS,", { $0.tensors.append(GGUFTensor("t", 144, [256], [])) }),
    ("format number 4,", { $0.tensors.append(GGUFTensor("t", 4, [32], [])) }),
    ("whole blocks of Q4_K", { $0.tensors.append(GGUFTensor("t", 12, [255], [])) }),
    ("whole blocks of Q8_0", { $0.tensors.append(GGUFTensor("t", 8, [32, 31], [])) }),
    ("5 dimensions", { $0.lastDimensions = [1, 1, 1, 1, 1] }),
    ("too large", { $0.lastDimensions = [1 << 32, 1 << 31] }),
    ("too large", { $0.lastDimensions = [1 << 62, 1 << 62, 0] }),
    ("above the limit", { $0.lastDimensions = [1 << 63] }),
    ("lie outside", { $0.lastDimensions = [32, 5] }),
    ("no multiple", { $0.lastOffset = 33 }), ("lie outside", { $0.lastOffset = 1 << 20 }),
    ("lie outside", { $0.lastOffset = UInt64.max - 31 }),
    ("lie outside", { $0.lastOffset = 0x7FFF_FFFF_FFFF_FFE0 }), ("overlaps", { $0.lastOffset = 0 }),
  ]

  @Test("malformed heads are refused by name", arguments: refused.indices)
  func refusedHeads(_ index: Int) throws {
    let (reason, change) = Self.refused[index]
    var file = Self.sample
    change(&file)
    let error = try #require(throws: WeightsError.self) { try parse(file.bytes) }
    #expect(error.description.hasPrefix("f: "))
    #expect(error.description.contains(reason), "\(error)")
  }

  @Test("a head cut short anywhere is refused")
  func truncated() throws {
    let file = Self.sample
    let head = file.head
    for size in 0..<head.count {
      #expect(throws: WeightsError.self, "cut to \(size) bytes") { try parse(Array(head[..<size])) }
    }
    // The last tensor ends where its padding begins.
    let bytes = file.bytes
    let end = try #require(try parse(bytes).entries.map(\.range.upperBound).max())
    #expect(try parse(Array(bytes[..<end])).entries.count == 5)
    #expect(throws: WeightsError.self) { try parse(Array(bytes[..<(end - 1)])) }
  }

  @Test("a hundred thousand mutated heads give a head or an error")
  func mutated() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("mutated GGUF heads: seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    let original = Self.sample.bytes
    let headCount = Self.sample.head.count
    var accepted = 0
    for _ in 0..<100_000 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        mutate(&bytes, head: headCount, &generator)
      }
      guard let header = try? parse(bytes) else { continue }
      accepted += 1
      var position = 0
      for entry in header.entries {
        try #require(entry.range.lowerBound >= position, "seed \(seed)")
        try #require(entry.range.upperBound <= bytes.count, "seed \(seed)")
        position = entry.range.upperBound
      }
    }
    // Changes of values and names do no harm; those of counts, types and sizes must be noticed.
    #expect((1_000..<80_000).contains(accepted), "seed \(seed): \(accepted)")
  }

  /// Flips, removes or inserts bytes of the head, or replaces eight by an extreme number.
  private func mutate(_ bytes: inout [UInt8], head: Int, _ generator: inout SeededGenerator) {
    let position = Int.random(in: 0..<head, using: &generator)
    switch Int.random(in: 0..<5, using: &generator) {
    case 0: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    case 1: bytes.remove(at: position)
    case 2: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: position)
    case 3:
      let small = UInt32.random(in: 0...40, using: &generator)
      bytes.replaceSubrange(position..<position + 4, with: littleEndian(small))
    default:
      let extremes: [UInt64] = [
        0, 1, .max, 1 << 63, 1 << 62, UInt64(Int.max), 1 << 32, (1 << 32) - 1, .max - 31, 1 << 24,
      ]
      let number = extremes.randomElement(using: &generator) ?? 0
      bytes.replaceSubrange(position..<position + 8, with: littleEndian(number))
    }
  }
}
