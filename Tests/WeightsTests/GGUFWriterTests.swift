// Written files byte by byte, as the description of the format (docs/gguf.md of ggml) reads.

import Compute
import Platform
import TestSupport
import Testing
import Weights

/// Takes values off the front of a file.
private struct Bytes {
  let all: [UInt8]
  var position = 0

  mutating func take<Value: FixedWidthInteger>(_: Value.Type) -> Value {
    var value: Value = 0
    for index in 0..<value.bitWidth / 8 {
      value |= Value(truncatingIfNeeded: all[position + index]) << (8 * index)
    }
    position += value.bitWidth / 8
    return value
  }

  mutating func text() -> String {
    let count = Int(take(UInt64.self))
    defer { position += count }
    return String(decoding: all[position..<position + count], as: UTF8.self)
  }

  func floats(at offset: Int, _ count: Int) -> [Float] {
    var part = Bytes(all: all, position: offset)
    return (0..<count).map { _ in Float(bitPattern: part.take(UInt32.self)) }
  }
}

@Suite("Writing GGUF files")
struct GGUFWriterTests {
  let folder: TemporaryDirectory
  let checkpoint: Checkpoint
  let pool: WorkerPool

  /// Two heads of 2 + 3 rows over 4 columns, and 3 experts of 2 x 4.
  init() throws {
    var tensors = [Tensor("both", [10, 4], (0..<40).map { Float($0) })]
    for expert in 0..<3 {
      tensors.append(Tensor("expert\(expert)", [2, 4], (0..<8).map { Float(100 * expert + $0) }))
    }
    tensors.append(Tensor("bad", [3, 4], (0..<12).map { $0 == 9 ? .nan : Float($0) }))
    folder = try TemporaryDirectory(model: safetensors(tensors))
    checkpoint = try folder.open()
    pool = try WorkerPool(threadCount: 3)
  }

  private func tensors() throws -> [ExportTensor] {
    let both = try checkpoint.requireMatrix("both", rows: 10, columns: 4)
    let experts = try (0..<3).map {
      try checkpoint.requireMatrix("expert\($0)", rows: 2, columns: 4)
    }
    return [
      ExportTensor(
        name: "keys", shape: [2, 4, 2], format: .float32,
        source: .headsTransposed(both, HeadPart(rows: 0..<2, of: 5))),
      ExportTensor(
        name: "values", shape: [2, 3, 4], format: .float32,
        source: .headRows(both, HeadPart(rows: 2..<5, of: 5))),
      ExportTensor(
        name: "experts", shape: [3, 2, 4], format: .bfloat16, source: .stacked(experts)),
    ]
  }

  @Test("header, places and elements")
  func layout() throws {
    var metadata = ExportMetadata()
    metadata.add("a.string", .string("grüße"))
    metadata.add("a.count", count: 7)
    metadata.add("absent", count: nil)
    metadata.add("a.flag", .bool(true))
    metadata.add("a.number", .float(-1.5))
    metadata.add("texts", .strings(["", "x y"]))
    metadata.add("numbers", .integers([-1, 3]))
    let path = folder.path + "/out.gguf"
    let writer = GGUFWriter(metadata, tensors: try tensors())
    try writer.write(to: path, pool: pool) { _ in }
    var file = Bytes(all: try FileReader.read(path, limit: .max))
    #expect(file.all.count == writer.byteCount)
    #expect(file.take(UInt32.self) == 0x4655_4747 && file.take(UInt32.self) == 3)
    #expect(file.take(UInt64.self) == 3 && file.take(UInt64.self) == 7)
    #expect(file.text() == "a.string" && file.take(UInt32.self) == 8 && file.text() == "grüße")
    #expect(
      file.text() == "a.count" && file.take(UInt32.self) == 4 && file.take(UInt32.self) == 7)
    #expect(file.text() == "a.flag" && file.take(UInt32.self) == 7 && file.take(UInt8.self) == 1)
    #expect(file.text() == "a.number" && file.take(UInt32.self) == 6)
    #expect(file.take(UInt32.self) == Float(-1.5).bitPattern)
    #expect(file.text() == "texts" && file.take(UInt32.self) == 9 && file.take(UInt32.self) == 8)
    #expect(file.take(UInt64.self) == 2 && file.text() == "" && file.text() == "x y")
    #expect(file.text() == "numbers" && file.take(UInt32.self) == 9 && file.take(UInt32.self) == 5)
    #expect(file.take(UInt64.self) == 2 && file.take(Int32.self) == -1)
    #expect(file.take(Int32.self) == 3 && file.text() == "general.alignment")
    #expect(file.take(UInt32.self) == 4 && file.take(UInt32.self) == 32)
    for (name, sides, type, offset) in [
      ("keys", [2, 4, 2], 0, 0), ("values", [4, 3, 2], 0, 64), ("experts", [4, 2, 3], 30, 160),
    ] {
      #expect(file.text() == name)
      let dimensions = Int(file.take(UInt32.self))
      #expect((0..<dimensions).map { _ in Int(file.take(UInt64.self)) } == sides)
      #expect(Int(file.take(UInt32.self)) == type && Int(file.take(UInt64.self)) == offset)
    }
    let start = (file.position + 31) / 32 * 32
    #expect(start + 160 + 64 == file.all.count)
    // Element [head, column, row] of both[5 * head + row, column].
    #expect(
      file.floats(at: start, 16) == [0, 4, 1, 5, 2, 6, 3, 7, 20, 24, 21, 25, 22, 26, 23, 27])
    #expect(file.floats(at: start + 64, 24) == (Array(8..<20) + Array(28..<40)).map { Float($0) })
    var experts = Bytes(all: file.all, position: start + 160)
    for expert in 0..<3 {
      for index in 0..<8 {
        let value = Float(bitPattern: UInt32(experts.take(UInt16.self)) << 16)
        #expect(value == Float(100 * expert + index))
      }
    }
  }

  @Test("an element that is no number is an error, and no file is left")
  func notFinite() throws {
    let bad = try checkpoint.requireMatrix("bad", rows: 3, columns: 4)
    let tensor = ExportTensor(
      name: "bad", shape: [3, 4], format: .float16, source: .stacked([bad]))
    let writer = GGUFWriter(ExportMetadata(), tensors: try tensors() + [tensor])
    let path = folder.path + "/out.gguf"
    #expect(
      throws: WeightsError.unencodable(
        tensor: "bad", row: 2, format: .float16, reason: .notFinite)
    ) {
      try writer.write(to: path, pool: pool) { _ in }
    }
    #expect(!FileReader.exists(path))
    #expect(throws: WeightsError.self) {
      try writer.write(to: folder.path + "/none/out.gguf", pool: pool) { _ in }
    }
  }

  @Test("formats by type, role and width")
  func formats() {
    typealias Case = (ExportType, ExportType.Role, Int, ElementFormat)
    let cases: [Case] = [
      (.bf16, .other, 48, .bfloat16), (.q8_0, .output, 7168, .q8_0), (.q8_0, .other, 48, .float16),
      (.q4_k_m, .output, 7168, .q6_K), (.q4_k_m, .output, 224, .q8_0),
      (.q4_k_m, .embedding, 7168, .q4_K), (.q4_k_m, .other, 128, .q5_0),
      (.q4_k_m, .other, 48, .float16), (.q4_k_m, .draft, 7168, .q8_0),
      (.q4_k_m, .attentionOutput(experts: 256), 512, .q4_K),
      (.q4_k_m, .attentionOutput(experts: 8), 512, .q5_K),
    ]
    for (type, role, width, format) in cases {
      #expect(type.format(role, width: width) == format, "\(type) \(role) \(width)")
    }
    // Of 61 + 1 layers: 0 to 6, 54 to 61, and every third between.
    let more = (0..<62).filter {
      ExportType.q4_k_m.format(.down(layer: $0, layers: 62), width: 2048) == .q6_K
    }
    #expect(more == Array(0..<7) + Array(stride(from: 9, to: 54, by: 3)) + Array(54..<62))
  }
}
