// The recorded parity cases, asked for as any client would.

import Compute
import DeepSeek
import Foundation
import JSON
import OpenAIAPI
import Platform
import Serving
import Testing
import Weights

@Suite("Parity through HTTP")
struct ParityOverHTTPTests {
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures/parity")
  static let cases = ["v2_greedy_lite", "v3_fp8_block", "v3_full_sharded", "v3_mtp"]
  static let tolerance = 5e-3

  /// The recorded tokens and logits of a case, read without the code under test.
  private struct Expectation {
    let tokens: [Int]
    let logprobs: [[Double]]

    init(_ directory: URL) throws {
      let data = [UInt8](
        try Data(contentsOf: directory.appending(path: "expected.safetensors")))
      let headerLength = (0..<8).reduce(0) { $0 | Int(data[$1]) << (8 * $1) }
      let header = try JSONValue(parsing: Array(data[8..<8 + headerLength]))
      func words(_ name: String) throws -> [UInt32] {
        let offsets = try #require(header.at("\(name).data_offsets")?.arrayValue)
        let places = offsets.compactMap(\.integerValue).map { $0 + 8 + headerLength }
        return stride(from: places[0], to: places[1], by: 4).map { place in
          (0..<4).reduce(UInt32(0)) { $0 | UInt32(data[place + $1]) << UInt32(8 * $1) }
        }
      }
      tokens = try words("tokens").map { Int($0) }
      let logits = try words("logits").map { Double(Float(bitPattern: $0)) }
      let width = logits.count / tokens.count
      logprobs = stride(from: 0, to: logits.count, by: width).map { start in
        let row = logits[start..<start + width]
        let highest = row.max() ?? 0
        let normalizer = highest + log(row.reduce(0) { $0 + exp($1 - highest) })
        return row.map { $0 - normalizer }
      }
    }
  }

  private func serve(_ directory: URL, prefillChunk: Int) throws -> TestServer {
    let weights = try ModelWeights(try Checkpoint.open(directory: directory.path))
    let c = weights.configuration
    let shape = LatentShape(
      layerCount: c.layerCount + c.mtpLayerCount, latentRank: c.latentRank,
      ropeWidth: c.ropeWidth, format: .float32)
    let limits = EngineLimits(
      maxSequences: 1, queueLength: 8, prefillChunk: prefillChunk, contextLength: 256,
      pageCount: 4)
    let model = DeepSeekModel(
      weights: weights,
      backend: Backend(kernels: .best, pool: try WorkerPool(threadCount: 1)),
      storage: LatentStorage(shape: shape, pageCount: limits.pageCount),
      rows: limits.rowsPerStep, logitRows: 16)
    return try TestServer(
      ServedModel(
        name: "parity", fingerprint: "test", tokenizer: nil, chatFormat: nil,
        defaults: GenerationDefaults(), endTokens: [], vocabularySize: c.vocabularySize,
        engine: try EngineHandle(model: model, limits: limits)))
  }

  @Test("log-probabilities and the greedy continuation", arguments: cases, [7, 256])
  func parity(name: String, prefillChunk: Int) throws {
    let directory = Self.root.appending(path: name)
    let expected = try Expectation(directory)
    let server = try serve(directory, prefillChunk: prefillChunk)
    let scored = try server.post(
      "/v1/completions",
      [
        "prompt": .array(expected.tokens.map { .integer($0) }), "echo": true, "max_tokens": 0,
        "logprobs": 20,
      ]
    ).json
    let logprobs = try #require(scored.at("choices.0.logprobs"))
    let chosen = try #require(logprobs["token_logprobs"]?.arrayValue)
    #expect(chosen.count == expected.tokens.count && chosen[0] == .null)
    for position in 1..<expected.tokens.count {
      let row = expected.logprobs[position - 1]
      let value = try #require(chosen[position].doubleValue)
      #expect(abs(value - row[expected.tokens[position]]) < Self.tolerance, "position \(position)")
      let top = try #require(logprobs.at("top_logprobs.\(position)")?.objectValue)
      #expect(top.count >= 20)
      for (token, value) in top.members {
        let id = try #require(Int(token.dropFirst("token_id:".count)))
        #expect(abs((value.doubleValue ?? 0) - row[id]) < Self.tolerance, "position \(position)")
      }
    }
    let promptCount = expected.tokens.count - 32
    let continued = try server.post(
      "/v1/completions",
      [
        "prompt": .array(expected.tokens[..<promptCount].map { .integer($0) }),
        "max_tokens": 32, "temperature": 0,
      ]
    ).json
    let tokens = expected.tokens[promptCount...].map { JSONValue.integer($0) }
    #expect(continued.at("choices.0.token_ids") == .array(tokens))
  }
}
