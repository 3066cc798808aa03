// Files that are not what they say: each gets an error, none traps.

import TestSupport
import Testing
import Weights

@Suite("Safetensors")
struct SafetensorsTests {
  /// A header with one F32 tensor `a` [2, 3] written by hand, parts replaceable.
  private static func header(
    dtype: String = "\"F32\"", shape: String = "[2,3]", offsets: String = "[0,24]",
    more: String = ""
  ) -> String {
    "{\"a\":{\"dtype\":\(dtype),\"shape\":\(shape),\"data_offsets\":\(offsets)}\(more)}"
  }

  private func parse(_ file: [UInt8]) throws -> SafetensorsHeader {
    let length = try SafetensorsHeader.textLength(
      prefix: Array(file.prefix(8)), fileSize: file.count, file: "f")
    return try SafetensorsHeader(
      text: Array(file[8..<8 + length]), fileSize: file.count, file: "f")
  }

  @Test("what the format allows")
  func accepted() throws {
    let data = [UInt8](repeating: 1, count: 24)
    let plain = try parse(safetensors(Self.header(), data))
    #expect(plain.entries.map(\.name) == ["a"])
    #expect(plain.entries[0].shape == [2, 3])
    #expect(
      plain.entries[0].range == (8 + Self.header().utf8.count)..<(32 + Self.header().utf8.count))
    for header in [
      Self.header() + "      ", Self.header(more: ",\"__metadata__\":{\"format\":\"pt\"}"),
      Self.header(more: ",\"e\":{\"dtype\":\"I64\",\"shape\":[0,5],\"data_offsets\":[24,24]}"),
      Self.header(more: ",\"e\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}"),
      "{\"s\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[16,24]},"
        + "\"p\":{\"data_offsets\":[0,16],\"shape\":[32],\"dtype\":\"F4\"}}",
    ] {
      #expect(try !parse(safetensors(header, data)).entries.isEmpty)
    }
    #expect(try parse(safetensors("{}", [])).entries.isEmpty)
  }

  static let refusedHeaders: [(String, String)] = [
    ("", "begin with {"), ("[]", "begin with {"), (" {}", "begin with {"), ("{", "JSON"),
    ("{}x", "JSON"), ("{\"a\":NaN}", "JSON"), ("{\"a\":1}", "instead of an object"),
    (header(dtype: "\"F33\""), "dtype"), (header(dtype: "\"f32\""), "dtype"),
    (header(dtype: "32"), "dtype"), (header(dtype: "null"), "dtype"),
    (header(dtype: "\"F64\""), "instead of the 48"), (header(dtype: "\"U8\""), "instead of the 6"),
    (header(shape: "[2,-3]"), "shape"), (header(shape: "[2,3.0]"), "shape"),
    (header(shape: "[2,1e0]"), "shape"), (header(shape: "6"), "shape"),
    (header(shape: "[2,\"3\"]"), "shape"), (header(shape: "[2,[3]]"), "shape"),
    (header(shape: "[6,1,1,1,1,1,1,1,1]"), "shape"), (header(shape: "[2,2]"), "of its shape"),
    (header(shape: "[9223372036854775807,2]"), "no whole number"),
    (header(shape: "[4294967296,4294967296]"), "no whole number"),
    (header(shape: "[4611686018427387904,4,0]"), "no whole number"),
    (header(shape: "[18446744073709551616]"), "shape"), (header(shape: "null"), "shape"),
    (header(offsets: "[0,25]"), "outside"), (header(offsets: "[0,23]"), "23 bytes"),
    (header(offsets: "[24,0]"), "outside"), (header(offsets: "[-24,0]"), "pair"),
    (header(offsets: "[0,24,24]"), "pair"), (header(offsets: "[0]"), "pair"),
    (header(offsets: "[0.0,24.0]"), "pair"), (header(offsets: "{}"), "pair"),
    (header(offsets: "[9223372036854775783,9223372036854775807]"), "outside"),
    (header(offsets: "[0,18446744073709551640]"), "pair"),
    (header(dtype: "\"F4\"", shape: "[1]", offsets: "[0,0]"), "no whole number"),
    (header(more: ",\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}"), "twice"),
    (header(more: ",\"\\u0061\":{}"), "twice"), (header(more: ",\"b\":{}"), "dtype"),
    (header(more: ",\"__metadata__\":[]"), "__metadata__"),
    (header(more: ",\"__metadata__\":{\"x\":1}"), "__metadata__"),
    (header(more: ",\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[20,24]}"), "overlaps"),
    (header(more: ",\"b\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[0,24]}"), "overlaps"),
    (header(offsets: "[0,24],\"extra\":1"), "unknown key extra"),
    ("{\"a\":{\"dtype\":\"U8\",\"shape\":[20],\"data_offsets\":[4,24]}}", "gap"),
    ("{\"a\":{\"dtype\":\"U8\",\"shape\":[20],\"data_offsets\":[0,20]}}", "4 bytes at the end"),
    ("{}", "24 bytes at the end"),
  ]

  @Test("malformed headers", arguments: refusedHeaders)
  func refused(header: String, reason: String) throws {
    let error = try #require(throws: WeightsError.self) {
      try parse(safetensors(header, [UInt8](repeating: 1, count: 24)))
    }
    #expect(error.description.hasPrefix("f: "))
    #expect(error.description.contains(reason), "\(error)")
  }

  @Test("text that is not UTF-8")
  func notUnicode() throws {
    var file = safetensors(Self.header(), [UInt8](repeating: 1, count: 24))
    file[10] = 0xFF
    #expect(throws: WeightsError.self) { try parse(file) }
  }

  @Test(
    "header lengths beyond the file",
    arguments: [0x8000_0000_0000_0000, .max, 0x7FFF_FFFF_FFFF_FFFF, 100_000_001, 100_000_000, 200])
  func length(value: UInt64) {
    let file = littleEndian(value) + Array("{}".utf8)
    #expect(throws: WeightsError.self) { try parse(file) }
  }

  @Test("a file cut short anywhere is refused through the file system too")
  func truncated() throws {
    let file = safetensors([Tensor("a", [2], [1, 2]), Tensor("b", "BF16", [1], [0, 0x3F])])
    let directory = try TemporaryDirectory(model: file)
    #expect(try directory.open().tensors.map(\.name) == ["a", "b"])
    for size in 0..<file.count {
      try directory.write("model.safetensors", Array(file[..<size]))
      #expect(throws: WeightsError.self, "cut to \(size) bytes") { try directory.open() }
    }
  }

  @Test("a hundred thousand mutated headers give a header or an error")
  func mutated() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("mutated headers: seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    let original = safetensors([
      Tensor("model.norm.weight", [2], [1, 2]), Tensor("empty", "I64", [0, 7], []),
      Tensor("x", "F8_E4M3", [2, 3], [1, 2, 3, 4, 5, 6]), Tensor("s", "F16", [], [0, 0]),
    ])
    var accepted = 0
    for _ in 0..<100_000 {
      var file = original
      for _ in 0..<Int.random(in: 1...3, using: &generator) { mutate(&file, &generator) }
      guard let header = try? parse(file) else { continue }
      accepted += 1
      let covered = header.entries.reduce(0) { $0 + $1.range.count }
      let length = Int(file[0]) | Int(file[1]) << 8
      try #require(covered == file.count - 8 - length, "seed \(seed)")
      try #require(header.entries.allSatisfy { 0...file.count ~= $0.range.upperBound })
    }
    // Changes of names and white space do no harm; most others must be noticed.
    #expect((1..<50_000).contains(accepted), "seed \(seed)")
  }

  /// Flips, removes or inserts bytes, or replaces a number by an extreme one. The length in front
  /// follows the text half of the time, so that the JSON behind it is reached.
  private func mutate(_ file: inout [UInt8], _ generator: inout SeededGenerator) {
    let before = file.count
    let position = Int.random(in: 0..<file.count, using: &generator)
    switch Int.random(in: 0..<4, using: &generator) {
    case 0: file[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    case 1: file.remove(at: position)
    case 2:
      let pieces = ["{", "}", "[", "]", ",", "\"", ":", "-", "0", "\\u00", "null", "1e5", "\u{7f}"]
      file.insert(contentsOf: Array(pieces.randomElement(using: &generator)!.utf8), at: position)
    default:
      let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
      let numbers = file.indices.filter { $0 >= 8 && digits ~= file[$0] }
      guard let digit = numbers.randomElement(using: &generator) else { return }
      let extremes = [
        "-1", "9223372036854775807", "9223372036854775808", "18446744073709551615", "1e308", "0",
        "4294967296", "2.5", "-0", "1e999",
      ]
      file.replaceSubrange(
        digit...digit, with: Array(extremes.randomElement(using: &generator)!.utf8))
    }
    guard Bool.random(using: &generator), file.count >= 2, position >= 8 else { return }
    let length = (Int(file[0]) | Int(file[1]) << 8) + file.count - before
    guard 0..<65536 ~= length else { return }
    file[0] = UInt8(length & 255)
    file[1] = UInt8(length >> 8)
  }
}
