// The router and rotary positions alone, against what Hugging Face transformers computes
// (Tests/Fixtures/numerics/make.py).

import Compute
import DeepSeek
import JSON
import Platform
import TestSupport
import Testing

@Suite("Router and rotary positions")
struct NumericsTests {
  let fixtures: JSONValue

  init() throws {
    fixtures = try JSONValue(
      parsing: try FileReader.read(Fixtures.path("numerics/numerics.json"), limit: 1 << 20))
  }

  private func floats(_ value: JSONValue?) -> [Float] {
    (value?.arrayValue ?? []).map { Float($0.doubleValue!) }
  }

  private func integer(_ value: JSONValue, _ key: String) -> Int { value[key]!.integerValue! }

  @Test("the router chooses and weighs as published")
  func router() throws {
    let cases = fixtures["router"]!.arrayValue!
    #expect(cases.count > 20)
    for entry in cases {
      let sigmoid = entry["scoring"]!.stringValue == "sigmoid"
      let groups = ExpertGroups(
        count: integer(entry, "groups"), kept: integer(entry, "kept"),
        score: sigmoid ? .sumOfTwoBest : .best)
      let bias = floats(entry["bias"])
      let router = Router(
        RouterConfiguration(
          scoring: sigmoid ? .sigmoid : .softmax, hasBias: sigmoid,
          groups: groups.count > 1 ? groups : nil, expertsPerToken: integer(entry, "k"),
          normalizesWeights: entry["norm"]!.boolValue!,
          routedScalingFactor: entry["scale"]!.doubleValue!),
        bias: bias.isEmpty ? nil : Vector(bias))
      var logits = floats(entry["logits"])
      var choice = logits
      var experts: [Int] = []
      var weights: [Float] = []
      var span = logits.mutableSpan
      router.route(&span, choice: &choice, experts: &experts, weights: &weights)
      let name = entry["name"]!.stringValue!
      #expect(experts == entry["chosen"]!.arrayValue!.map { $0.integerValue! }, "\(name)")
      for (weight, expected) in zip(weights, floats(entry["weights"])) {
        #expect(abs(weight - expected) <= 2e-6 * abs(expected), "\(name): \(weight) \(expected)")
      }
    }
  }

  @Test("frequencies, factors and rotated products are as published")
  func rope() throws {
    for entry in fixtures["rope"]!.arrayValue! {
      let name = entry["name"]!.stringValue!
      let embedding = RotaryEmbedding(try configuration(entry))
      for (frequency, expected) in zip(embedding.frequencies, floats(entry["frequencies"])) {
        #expect(abs(frequency - Double(expected)) < 3e-6 * abs(Double(expected)), "\(name)")
      }
      #expect(abs(embedding.attentionFactor - entry["factor"]!.doubleValue!) < 1e-6, "\(name)")
      let scale = entry["softmax_scale"]!.doubleValue!
      #expect(abs(embedding.softmaxScale - scale) < 1e-6 * scale, "\(name)")
      let positions = entry["positions"]!.arrayValue!.map { $0.integerValue! }
      let query = rotated(floats(entry["query"]), positions, embedding)
      let key = rotated(floats(entry["key"]), positions, embedding)
      for (index, expected) in floats(entry["products"]).enumerated() {
        let product = zip(query[4], key[index]).reduce(0) { $0 + $1.0 * $1.1 }
        #expect(abs(product - expected) < 2e-3, "\(name) \(index): \(product) \(expected)")
      }
    }
  }

  /// One vector turned by each position's angles.
  private func rotated(
    _ vector: [Float], _ positions: [Int], _ embedding: RotaryEmbedding
  ) -> [[Float]] {
    let arena = ScratchArena()
    let rotation = arena.rows(positions.count, width: vector.count)
    let rows = arena.rows(positions.count, width: vector.count)
    for row in 0..<positions.count {
      for (column, value) in vector.enumerated() { rows[row, column] = value }
    }
    embedding.fill(rotation, positions: positions)
    embedding.apply(rotation, to: rows)
    return (0..<positions.count).map { row in vector.indices.map { rows[row, $0] } }
  }

  /// A parity case's configuration with the entry's rotary settings.
  private func configuration(_ entry: JSONValue) throws -> ModelConfiguration {
    let path = Fixtures.path("parity/v3_mtp/config.json")
    var json = try JSONValue(parsing: try FileReader.read(path, limit: 1 << 20)).objectValue!
    json["qk_rope_head_dim"] = entry["rope"]
    json["qk_nope_head_dim"] = entry["nope"]
    json["rope_theta"] = entry["theta"]
    json["rope_scaling"] = entry["scaling"]
    json["rope_interleave"] = entry["interleave"]
    return try ModelConfiguration(.object(json))
  }
}
