// Models in several GGUF files: all parts must be there and say the same.

import JSON
import TestSupport
import Testing
import Weights

@Suite("GGUF parts")
struct GGUFPartsTests {
  private static let keys: [(key: String, value: GGUFField)] = [
    ("general.architecture", .string("deepseek2")), ("deepseek2.block_count", .uint32(2)),
    ("deepseek2.context_length", .uint32(512)), ("deepseek2.embedding_length", .uint32(8)),
    ("deepseek2.feed_forward_length", .uint32(16)), ("deepseek2.vocab_size", .uint32(10)),
    ("deepseek2.attention.head_count", .uint32(2)),
    ("deepseek2.attention.layer_norm_rms_epsilon", .float32(1e-5)),
    ("deepseek2.attention.kv_lora_rank", .uint32(6)),
    ("deepseek2.attention.key_length", .uint32(6)),
    ("deepseek2.attention.value_length", .uint32(3)),
    ("deepseek2.rope.dimension_count", .uint32(2)),
    ("deepseek2.rope.freq_base", .float32(10_000)), ("deepseek2.expert_count", .uint32(4)),
    ("deepseek2.expert_used_count", .uint32(2)),
    ("deepseek2.expert_feed_forward_length", .uint32(5)),
  ]

  /// What a part says of itself.
  private struct Part {
    var number: UInt16
    var count: UInt16 = 2
    var total: Int32? = 3
    var tensors: [GGUFTensor]
  }

  private static let first = Part(number: 0, tensors: [GGUFTensor("token_embd.weight", [10, 8])])
  private static let second = Part(
    number: 1, tensors: [GGUFTensor("a", [2]), GGUFTensor("b", [3])])

  private func file(_ part: Part, isFirst: Bool) -> [UInt8] {
    var fields = isFirst ? Self.keys : []
    fields.append(("split.no", .uint16(part.number)))
    fields.append(("split.count", .uint16(part.count)))
    if let total = part.total { fields.append(("split.tensors.count", .int32(total))) }
    return GGUFFile(fields, part.tensors).bytes
  }

  private func open(
    _ first: Part = first, _ second: Part? = second, opening: Int = 1,
    names: [String] = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]
  ) throws -> (GGUFModel, Checkpoint) {
    let directory = try TemporaryDirectory()
    try directory.write(names[0], file(first, isFirst: true))
    if let second { try directory.write(names[1], file(second, isFirst: false)) }
    let model = try GGUFModel(path: directory.path + "/" + names[opening - 1])
    return (model, try model.checkpoint())
  }

  @Test("from any part, with the name of the whole")
  func whole() throws {
    for opening in [1, 2] {
      let (model, checkpoint) = try open(opening: opening)
      #expect(model.name == "m")
      #expect(checkpoint.tensors.map(\.name) == ["model.embed_tokens.weight", "a", "b"])
      #expect(checkpoint.tensors.last?.file == "m-00002-of-00002.gguf")
      #expect(checkpoint.configuration["hidden_size"] == 8)
    }
    var (one, two) = (Self.first, Self.second)
    (one.total, two.total) = (nil, nil)
    #expect(try open(one, two).1.tensors.count == 3)
    // One part is a whole, whatever its name.
    var single = Self.first
    (single.count, single.total) = (1, 1)
    #expect(try open(single, nil).1.tensors.count == 1)
  }

  @Test("parts that are missing, out of place or of another whole")
  func refused() throws {
    func refuse(_ reason: String, _ open: () throws -> (GGUFModel, Checkpoint)) throws {
      let error = try #require(throws: WeightsError.self) { try open() }
      #expect(error.description.contains(reason), "\(error)")
    }
    try refuse("m-00002-of-00002.gguf: open") { try open(Self.first, nil) }
    var changed = Self.second
    changed.number = 0
    try refuse("m-00002-of-00002.gguf: split.no: is 0 instead of 1") {
      try open(Self.first, changed)
    }
    changed = Self.second
    changed.count = 3
    try refuse("split.count: is 3 instead of 2") { try open(Self.first, changed) }
    try refuse("split.count: is 3, but the name") { try open(Self.first, changed, opening: 2) }
    changed = Self.second
    changed.total = 4
    try refuse("split.tensors.count: is 4, but the parts have 3") { try open(Self.first, changed) }
    changed = Self.second
    changed.tensors = [GGUFTensor("a", [2]), GGUFTensor("token_embd.weight", [10, 8])]
    try refuse("also in m-00001-of-00002.gguf") { try open(Self.first, changed) }
    try refuse("the name does not end in") {
      try open(names: ["m-1-of-2.gguf", "m-2-of-2.gguf"])
    }
    try refuse("the name does not end in") {
      try open(opening: 2, names: ["m-00002-of-00002.gguf", "m-00003-of-00002.gguf"])
    }
    changed = Self.first
    changed.count = .max
    try refuse("split.count: is 65535") { try open(changed) }
  }
}
