// The recorded parity cases, asked for as any client would.

import Compute
import DeepSeek
import Foundation
import JSON
import OpenAIAPI
import Platform
import Serving
import TestSupport
import Testing
import Weights

@Suite("Parity through HTTP")
struct ParityOverHTTPTests {
  static let tolerance = 5e-3

  private func serve(_ directory: String, prefillChunk: Int) throws -> TestServer {
    let pool = try WorkerPool(threadCount: 1)
    let weights = try ModelWeights(try Checkpoint.open(directory: directory)).packed(on: pool)
    let c = weights.configuration
    let shape = LatentShape(c, format: .float32)
    let limits = EngineLimits(
      maxSequences: 1, queueLength: 8, prefillChunk: prefillChunk, contextLength: 256,
      pageCount: 4)
    let model = DeepSeekModel(
      weights: weights,
      backend: Backend(kernels: .best, pool: pool),
      storage: try LatentStorage(shape: shape, pageCount: limits.pageCount),
      decodeRows: limits.decodeRows, prefillRows: limits.prefillChunk,
      logitRows: 16)
    return try TestServer(
      ServedModel(
        name: "parity", fingerprint: "test", tokenizer: nil, chatFormat: nil,
        defaults: GenerationDefaults(), endTokens: [], vocabularySize: c.vocabularySize,
        engine: try EngineHandle(model: model, limits: limits)))
  }

  @Test(
    "log-probabilities and the greedy continuation", arguments: ParityCase.names, [1, 7, 64, 256])
  func parity(name: String, prefillChunk: Int) throws {
    let parity = try ParityCase(name)
    let tokens = parity.tokens.map { JSONValue.integer(Int($0)) }
    let server = try serve(parity.directory, prefillChunk: prefillChunk)
    let scored = try server.post(
      "/v1/completions",
      ["prompt": .array(tokens), "echo": true, "max_tokens": 0, "logprobs": 20]
    ).json
    let logprobs = try #require(scored.at("choices.0.logprobs"))
    let chosen = try #require(logprobs["token_logprobs"]?.arrayValue)
    #expect(chosen.count == tokens.count && chosen[0] == .null)
    for position in 1..<tokens.count {
      let row = logSoftmax(parity.expected["logits"]!.row(position - 1))
      let value = try #require(chosen[position].doubleValue)
      #expect(
        abs(value - row[Int(parity.tokens[position])]) < Self.tolerance, "position \(position)")
      let top = try #require(logprobs.at("top_logprobs.\(position)")?.objectValue)
      #expect(top.count >= 20)
      for (token, value) in top.members {
        let id = try #require(Int(token.dropFirst("token_id:".count)))
        #expect(abs((value.doubleValue ?? 0) - row[id]) < Self.tolerance, "position \(position)")
      }
    }
    let prompt = tokens[..<parity.promptCount]
    let continued = try server.post(
      "/v1/completions",
      ["prompt": .array(Array(prompt)), "max_tokens": 32, "temperature": 0]
    ).json
    #expect(continued.at("choices.0.token_ids") == .array(Array(tokens[parity.promptCount...])))
  }
}
