// Every parameter that is accepted, with what it must change in the engine's terms.

import JSON
import OpenAIAPI
import Sampling
import Serving
import Testing

/// JSON text to a value; the tests' own literals are valid.
func parse(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

@Suite("Requests to the engine's terms")
struct TranslationTests {
  let service: TestService
  init() throws { service = try TestService() }

  private func completion(_ members: String) throws -> TranslatedRequest {
    let base: JSONValue = ["prompt": "abc"]
    var translator = try RequestTranslator(
      base.merging(try parse("{\(members)}")), model: service.model)
    return try translator.completion()
  }

  private func chat(_ members: String) throws -> TranslatedRequest {
    let base: JSONValue = ["messages": [["role": "user", "content": "abc"]]]
    var translator = try RequestTranslator(
      base.merging(try parse("{\(members)}")), model: service.model)
    return try translator.chat()
  }

  /// A member and what it must change.
  struct Effect: Sendable {
    let members: String
    let holds: @Sendable (TranslatedRequest) -> Bool
    init(_ members: String, _ holds: @escaping @Sendable (TranslatedRequest) -> Bool) {
      self.members = members
      self.holds = holds
    }
  }

  static let common: [Effect] = [
    Effect("\"temperature\": 0.5") { $0.sampling.temperature == 0.5 },
    Effect("\"temperature\": 0") { $0.sampling.temperature == 0 },
    Effect("\"top_p\": 0.25") { $0.sampling.topP == 0.25 },
    Effect("\"top_k\": 7") { $0.sampling.topK == 7 },
    Effect("\"top_k\": -1") { $0.sampling.topK == 0 },
    Effect("\"min_p\": 0.125") { $0.sampling.minP == 0.125 },
    Effect("\"presence_penalty\": -2") { $0.sampling.presencePenalty == -2 },
    Effect("\"frequency_penalty\": 1.5") { $0.sampling.frequencyPenalty == 1.5 },
    Effect("\"repetition_penalty\": 1.25") { $0.sampling.repetitionPenalty == 1.25 },
    Effect("\"logit_bias\": {\"7\": -100, \"264\": 1.5}") {
      $0.sampling.logitBias
        == [LogitBias(token: 7, bias: -100), LogitBias(token: 264, bias: 1.5)]
    },
    Effect("\"seed\": -1") { $0.sampling.seed == UInt64.max },
    Effect("\"seed\": 42") { $0.sampling.seed == 42 },
    Effect("\"n\": 3") { $0.choicesPerPrompt == 3 },
    Effect("\"stop\": \"xy\"") { $0.text.stops == ["xy"] },
    Effect("\"stop\": [\"x\", \"y\"]") { $0.text.stops == ["x", "y"] },
    Effect("\"stop_token_ids\": [5, 6]") { $0.stopTokens == [5, 6] && $0.endTokens == [257] },
    Effect("\"ignore_eos\": true") { $0.endTokens.isEmpty },
    Effect("\"include_stop_str_in_output\": true") { $0.text.includesStop },
    Effect("\"skip_special_tokens\": false") { !$0.text.skipsSpecialTokens },
    Effect("\"return_token_ids\": true") { $0.output.tokenIDs },
    Effect("\"return_tokens_as_token_ids\": true") { $0.output.tokensAsIDs },
    Effect("\"max_tokens\": 5") { $0.prompts[0].maxTokens == 5 },
    Effect("\"n_predict\": 5") { $0.prompts[0].maxTokens == 5 },
    Effect("\"n_predict\": 5, \"max_tokens\": 5") { $0.prompts[0].maxTokens == 5 },
    Effect("\"n_predict\": -1") {
      $0.prompts[0].maxTokens + $0.prompts[0].tokens.count == TestService.contextLength
    },
    Effect("\"cache_prompt\": false") { !$0.engineRequest(ofChoice: 0).usesPrefixCache },
    Effect("\"cache_prompt\": true") { $0.engineRequest(ofChoice: 0).usesPrefixCache },
    Effect("") { $0.engineRequest(ofChoice: 0).usesPrefixCache },
    Effect("\"stream\": true") { $0.stream == StreamOptions() },
    Effect("\"stream\": true, \"stream_options\": {\"include_usage\": true}") {
      $0.stream?.includesUsage == true
    },
    Effect("\"stream\": true, \"stream_options\": {\"continuous_usage_stats\": true}") {
      $0.stream?.includesContinuousUsage == true
    },
    Effect("\"model\": \"alphabet\", \"user\": \"u\", \"metadata\": {\"a\": \"b\"}") { _ in true },
    Effect("\"store\": false, \"service_tier\": \"auto\", \"safety_identifier\": \"s\"") { _ in
      true
    },
    Effect("\"temperature\": null, \"stop\": null, \"logit_bias\": null, \"n\": null") {
      $0.sampling.temperature == 1 && $0.text.stops.isEmpty && $0.choicesPerPrompt == 1
    },
    Effect("\"priority\": -3") { $0.engineRequest(ofChoice: 0).priority == -3 },
    Effect("\"priority\": 2147483647, \"cache_salt\": \"ä\"") {
      let request = $0.engineRequest(ofChoice: 0)
      return request.priority == 2_147_483_647 && request.cacheSalt == "ä"
    },
    Effect("\"priority\": null, \"cache_salt\": null") {
      let request = $0.engineRequest(ofChoice: 0)
      return request.priority == 0 && request.cacheSalt == nil
    },
    Effect("\"response_format\": {\"type\": \"text\"}, \"min_tokens\": 0") { _ in true },
  ]

  @Test("members of both endpoints", arguments: common.indices)
  func effect(index: Int) throws {
    let effect = Self.common[index]
    #expect(effect.holds(try completion(effect.members)), "\(effect.members)")
    #expect(effect.holds(try chat(effect.members)), "\(effect.members)")
  }

  static let completions: [Effect] = [
    Effect("") { $0.prompts == [Prompt(tokens: [256, 97, 98, 99], text: "abc", maxTokens: 16)] },
    Effect("\"add_special_tokens\": false") { $0.prompts[0].tokens == [97, 98, 99] },
    Effect("\"prompt\": [1, 2.0, 264]") {
      $0.prompts == [Prompt(tokens: [1, 2, 264], maxTokens: 16)]
    },
    Effect("\"prompt\": [\"a\", \"b\"]") { $0.prompts.map(\.tokens) == [[256, 97], [256, 98]] },
    Effect("\"prompt\": [[1], [2, 3]]") { $0.prompts.map(\.tokens) == [[1], [2, 3]] },
    Effect("\"prompt\": [[1], \"b\"]") { $0.prompts.map(\.text) == [nil, "b"] },
    Effect("\"echo\": true, \"max_tokens\": 0, \"logprobs\": 20") {
      $0.output.echo && $0.prompts[0].maxTokens == 0 && $0.output.logprobs == 20
    },
    Effect("\"echo\": true, \"n_predict\": 0") { $0.prompts[0].maxTokens == 0 },
    Effect("\"logprobs\": 0") { $0.output.logprobs == 0 },
    Effect("\"n\": 2, \"best_of\": 2") { $0.choicesPerPrompt == 2 },
    Effect("\"max_tokens\": 252") { $0.prompts[0].maxTokens == 252 },
    Effect("\"suffix\": null") { _ in true },
  ]

  @Test("members of completions", arguments: completions.indices)
  func completionEffect(index: Int) throws {
    let effect = Self.completions[index]
    #expect(effect.holds(try completion(effect.members)), "\(effect.members)")
  }

  static let chats: [Effect] = [
    Effect("\"logprobs\": true") { $0.output.logprobs == 0 },
    Effect("\"logprobs\": true, \"top_logprobs\": 5") { $0.output.logprobs == 5 },
    Effect("\"logprobs\": false") { $0.output.logprobs == nil },
    Effect("\"max_completion_tokens\": 9") { $0.prompts[0].maxTokens == 9 },
    Effect("\"max_completion_tokens\": 9, \"max_tokens\": 9") { $0.prompts[0].maxTokens == 9 },
    Effect("\"tools\": [], \"tool_choice\": \"none\", \"modalities\": [\"text\"]") { _ in true },
    // An answer may be as long as the context has room.
    Effect("") { $0.prompts[0].maxTokens + $0.prompts[0].tokens.count == 256 },
  ]

  @Test("members of chats", arguments: chats.indices)
  func chatEffect(index: Int) throws {
    let effect = Self.chats[index]
    #expect(effect.holds(try chat(effect.members)), "\(effect.members)")
  }

  @Test("a request without a seed gets a random one")
  func randomSeed() throws {
    let seeds = try (0..<8).map { _ in try completion("").sampling.seed }
    #expect(Set(seeds).count == 8)
  }

  @Test("what the checkpoint says holds where the request says nothing")
  func defaults() throws {
    let file = try parse(
      """
      {"temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0.05, "repetition_penalty": 1.1,
       "max_new_tokens": 33, "eos_token_id": [1, 2], "do_sample": true}
      """)
    let defaults = try GenerationDefaults(json: file)
    #expect(defaults.endTokens == [1, 2])
    let model = try TestService(defaults: defaults).model
    let body: JSONValue = ["messages": [["role": "user", "content": "x"]], "top_k": 3]
    var translator = try RequestTranslator(body, model: model)
    let request = try translator.chat()
    var expected = SamplingParameters()
    (expected.temperature, expected.topP, expected.topK) = (0.6, 0.95, 3)
    (expected.minP, expected.repetitionPenalty, expected.seed) = (0.05, 1.1, request.sampling.seed)
    #expect(request.sampling == expected)
    #expect(request.prompts[0].maxTokens == 33)
    var open = try RequestTranslator(body.merging(["n_predict": -1]), model: model)
    #expect(try open.chat().prompts[0].maxTokens > 33)
    var completion = try RequestTranslator(["prompt": "x"], model: model)
    #expect(try completion.completion().prompts[0].maxTokens == 16)
  }

  @Test(
    "a bad generation_config.json is refused with the key",
    arguments: [
      "{\"temperature\": -1}", "{\"top_k\": 1.5}", "{\"eos_token_id\": \"x\"}",
      "{\"max_new_tokens\": 0}", "{\"eos_token_id\": [4294967296]}", "[]",
    ])
  func badDefaults(text: String) throws {
    let file = try parse(text)
    let error = #expect(throws: GenerationDefaultsError.self) {
      try GenerationDefaults(json: file)
    }
    let key = file.objectValue?.keys.first ?? "object"
    #expect(error?.description.contains(key) == true)
  }
}
