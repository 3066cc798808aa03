// Directories to named tensors: what is handed out is what was written, and what does not fit is
// refused by name.

import Compute
import JSON
import Platform
import TestSupport
import Testing
import Weights

@Suite("Checkpoint")
struct CheckpointTests {
  static let fp8 = #"{"quantization_config":{"weight_block_size":[2,16]}}"#

  @Test("tensors come back as written, at any alignment")
  func views() throws {
    let directory = try TemporaryDirectory(
      model: safetensors([
        Tensor("odd", "U8", [1], [7]), Tensor("a", [2, 2], [1, -2, 3.5, 4]),
        Tensor("b", "BF16", [3], [0, 1, 2, 3, 4, 5]), Tensor("h", "F16", [1, 1], [0, 0x3C]),
      ]))
    let checkpoint = try directory.open()
    let a = try checkpoint.require("a", shape: [2, 2])
    #expect(unsafe Array(a.bytes) == littleEndian([1, -2, 3.5, 4] as [Float]))
    #expect(a.format == .float32 && a.count == 4)
    let b = try checkpoint.require("b", shape: [3], formats: [.bfloat16])
    #expect(unsafe Array(b.bytes) == [0, 1, 2, 3, 4, 5])
    let h = try checkpoint.requireMatrix("h", rows: 1, columns: 1)
    #expect(decoded(h) == [[1]])
    #expect(checkpoint.unusedTensors.map(\.name) == ["odd"])
    #expect(checkpoint.tensor(named: "odd")?.formatName == "U8")
    #expect(checkpoint.tensor(named: "odd")?.format == nil)
    #expect(throws: WeightsError.unusedTensor(file: "model.safetensors", tensor: "odd", others: 0))
    {
      try checkpoint.finish { _ in false }
    }
    try checkpoint.finish { $0 == "odd" }
  }

  /// All elements as float32, scales applied.
  private func decoded(_ matrix: StoredMatrix) -> [[Float]] {
    let arena = ScratchArena()
    return (0..<matrix.rows).map { row in
      let target = arena.rows(1, width: matrix.columns)
      matrix.decode(row: row, into: target, row: 0)
      return (0..<matrix.columns).map { target[0, $0] }
    }
  }

  @Test("missing, misshapen and misformatted tensors are named with their file")
  func mismatches() throws {
    let checkpoint = try TemporaryDirectory(
      model: safetensors([Tensor("a", [2, 2], [1, 2, 3, 4]), Tensor("i", "I64", [0], [])])
    ).open()
    let file = "model.safetensors"
    #expect(throws: WeightsError.missingTensor("x")) {
      _ = try checkpoint.require("x", shape: [1])
    }
    for shape in [[4], [2, 2, 1], [2, 3], []] {
      let error = WeightsError.wrongShape(file: file, tensor: "a", found: [2, 2], expected: shape)
      #expect(throws: error) { _ = try checkpoint.require("a", shape: shape) }
    }
    let format = WeightsError.wrongFormat(
      file: file, tensor: "a", found: "F32", expected: [.bfloat16])
    #expect(throws: format) {
      _ = try checkpoint.require("a", shape: [2, 2], formats: [.bfloat16])
    }
    #expect(throws: WeightsError.self) { _ = try checkpoint.require("i", shape: [0]) }
    // A refused tensor is not a used one.
    let unused = WeightsError.unusedTensor(file: file, tensor: "a", others: 1)
    #expect(throws: unused) { try checkpoint.finish { _ in false } }
  }

  @Test("8-bit matrices come with block scales, edge blocks cut, from another shard")
  func blockScales() throws {
    let scales: [Float] = [1, 2, 4, 8]
    let one = [UInt8](repeating: 0x38, count: 60)
    let directory = try TemporaryDirectory(
      configuration: Self.fp8,
      map: ["w": "1.safetensors", "w_scale_inv": "2.safetensors"],
      shards: [
        "1.safetensors": [Tensor("w", "F8_E4M3", [3, 20], one)],
        "2.safetensors": [Tensor("w_scale_inv", [2, 2], scales)],
      ])
    let checkpoint = try directory.open()
    let matrix = try checkpoint.requireMatrix("w", rows: 3, columns: 20)
    let upper = Array(repeating: Float(1), count: 16) + Array(repeating: 2, count: 4)
    let lower = Array(repeating: Float(4), count: 16) + Array(repeating: 8, count: 4)
    #expect(decoded(matrix) == [upper, upper, lower])
    try checkpoint.finish { _ in false }
  }

  @Test("the parity checkpoints are all there", arguments: ParityCase.names)
  func parity(name: String) throws {
    let checkpoint = try Checkpoint.open(directory: Fixtures.path(name))
    let embedding = try #require(checkpoint.tensor(named: "model.embed_tokens.weight"))
    #expect(embedding.formatName == (name.hasSuffix("odd") ? "F32" : "BF16"))
    #expect(embedding.shape.first == checkpoint.configuration["vocab_size"]?.integerValue)
    #expect(embedding.shape.last == checkpoint.configuration["hidden_size"]?.integerValue)
    let files = Set(checkpoint.tensors.map(\.file))
    #expect(files.count == (name.hasSuffix("sharded") ? 3 : 1))
    let bytes = checkpoint.tensors.reduce(0) { $0 + $1.byteCount }
    #expect(bytes < checkpoint.byteCount && bytes > checkpoint.byteCount / 2)
    #expect(checkpoint.unusedTensors.count == checkpoint.tensors.count)
  }

  @Test("8-bit without scales, scales without 8-bit, scales that are wrong")
  func badScales() throws {
    func open(_ tensors: [Tensor], _ configuration: String = Self.fp8) throws -> Checkpoint {
      try TemporaryDirectory(configuration: configuration, model: safetensors(tensors)).open()
    }
    func refuse(_ checkpoint: Checkpoint, _ expected: WeightsError) {
      #expect(throws: expected) {
        _ = try checkpoint.requireMatrix("w", rows: 3, columns: 20)
      }
    }
    let file = "model.safetensors"
    let w = Tensor("w", "F8_E4M3", [3, 20], Array(0..<60))
    let good = Tensor("w_scale_inv", [2, 2], [1, 1, 1, 1])
    refuse(try open([w]), .missingScale(file: file, tensor: "w", scale: "w_scale_inv"))
    refuse(
      try open([w, good], "{}"),
      .badConfiguration(
        key: "quantization_config.weight_block_size", reason: "missing, but w is 8-bit"))
    refuse(
      try open([Tensor("w", "BF16", [3, 20], Array(0..<120)), good]),
      .unexpectedScale(file: file, scale: "w_scale_inv"))
    refuse(
      try open([w, Tensor("w_scale_inv", [1, 2], [1, 1])]),
      .wrongShape(file: file, tensor: "w_scale_inv", found: [1, 2], expected: [2, 2]))
    refuse(
      try open([w, Tensor("w_scale_inv", "BF16", [2, 2], Array(0..<8))]),
      .wrongFormat(file: file, tensor: "w_scale_inv", found: "BF16", expected: [.float32]))
    for bad in [Float.nan, .infinity, -.infinity] {
      refuse(
        try open([w, Tensor("w_scale_inv", [2, 2], [1, 1, bad, 1])]),
        .nonFiniteScale(file: file, scale: "w_scale_inv", index: 2))
    }
  }

  @Test(
    "block sizes that are none",
    arguments: [
      "[0,128]", "[128]", "[128,128,1]", "[128,26]", "[-1,1]", "[1.5,1]", "[16,6]", "128",
      "\"128\"",
      "[9223372036854775807,1]", "[1e308,1]", "[null,1]", "{}",
    ])
  func blockSize(text: String) throws {
    let directory = try TemporaryDirectory(
      configuration: "{\"quantization_config\":{\"weight_block_size\":\(text)}}",
      model: safetensors([]))
    let error = try #require(throws: WeightsError.self) { try directory.open() }
    #expect(error.description.hasPrefix("config.json: quantization_config.weight_block_size"))
  }

  @Test("shards: what the index says must be so")
  func shards() throws {
    let a = Tensor("a", [1], [1])
    let b = Tensor("b", [1], [2])
    func open(_ map: [String: String], _ shards: [String: [Tensor]]) throws -> Checkpoint {
      try TemporaryDirectory(map: map, shards: shards).open()
    }
    let two = ["1.safetensors": [a], "2.safetensors": [b]]
    let right = ["a": "1.safetensors", "b": "2.safetensors"]
    #expect(try open(right, two).tensors.map(\.file) == ["1.safetensors", "2.safetensors"])
    let swapped = ["a": "2.safetensors", "b": "2.safetensors"]
    #expect(
      throws: WeightsError.malformedTensor(
        file: "model.safetensors.index.json", tensor: "a", reason: "is not in 2.safetensors")
    ) { try open(swapped, two) }
    #expect(
      throws: WeightsError.malformedTensor(
        file: "2.safetensors", tensor: "a", reason: "also in 1.safetensors")
    ) { try open(right, ["1.safetensors": [a], "2.safetensors": [b, a]]) }
    // A tensor the index forgets is there, and refused only if nobody uses it.
    let forgotten = try open(["a": "1.safetensors"], ["1.safetensors": [a, b]])
    #expect(forgotten.unusedTensors.map(\.name) == ["a", "b"])
    #expect(throws: WeightsError.self) { try open(right, ["1.safetensors": [a]]) }
    for name in ["../1.safetensors", "/etc/x.safetensors", "", "..", "a/b.safetensors", "1.bin"] {
      let error = try #require(throws: WeightsError.self) { try open(["a": name], two) }
      #expect(error.description.contains("not a plain file name"))
    }
  }

  @Test("files that are missing or no JSON")
  func files() throws {
    let directory = try TemporaryDirectory()
    #expect(throws: WeightsError.self) { try directory.open() }
    try directory.write("config.json", "{}")
    let path = directory.path + "/model.safetensors"
    #expect(throws: WeightsError.platform(.systemCall(name: "open", errno: 2, subject: path))) {
      try directory.open()
    }
    for index in ["", "{", "{}", "[]", "{\"weight_map\":[]}", "{\"weight_map\":{\"a\":1}}"] {
      try directory.write("model.safetensors.index.json", index)
      #expect(throws: WeightsError.self) { try directory.open() }
    }
    try directory.write("model.safetensors", safetensors([]))
    #expect(try directory.open().tensors.isEmpty)
    for text in ["", "[]", "{\"a\":NaN}", "{\"a\":1,\"a\":2}"] {
      try directory.write("config.json", text)
      #expect(throws: WeightsError.self) { try directory.open() }
    }
  }
}
