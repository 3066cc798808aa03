// Every request that must be refused, with the field that must be blamed.

import JSON
import OpenAIAPI
import Testing

@Suite("Refused requests")
struct RefusalTests {
  let service: TestService
  init() throws { service = try TestService() }

  enum Endpoint: Sendable { case completion, chat, tokenize, detokenize }

  private func refusal(
    _ endpoint: Endpoint, _ members: String, model: ServedModel? = nil
  ) throws -> APIError? {
    let model = model ?? service.model
    let changed = try parse("{\(members)}")
    do throws(APIError) {
      switch endpoint {
      case .completion:
        let base: JSONValue = ["prompt": "abc"]
        var translator = try RequestTranslator(base.merging(changed), model: model)
        _ = try translator.completion()
      case .chat:
        let base: JSONValue = ["messages": [["role": "user", "content": "abc"]]]
        var translator = try RequestTranslator(base.merging(changed), model: model)
        _ = try translator.chat()
      case .tokenize: _ = try TokenizeHandler(model: model).tokenize(changed)
      case .detokenize: _ = try TokenizeHandler(model: model).detokenize(changed)
      }
      return nil
    } catch {
      return error
    }
  }

  /// Members that both endpoints refuse, by the name of the field they must blame.
  static let common: [(members: String, param: String)] = [
    ("\"temperature\": -0.1", "temperature"), ("\"temperature\": 2.1", "temperature"),
    ("\"temperature\": \"1\"", "temperature"), ("\"top_p\": 1.5", "top_p"),
    ("\"top_p\": true", "top_p"), ("\"top_k\": -2", "top_k"), ("\"top_k\": 1.5", "top_k"),
    ("\"min_p\": -1", "min_p"), ("\"presence_penalty\": 2.5", "presence_penalty"),
    ("\"frequency_penalty\": -2.5", "frequency_penalty"),
    ("\"repetition_penalty\": 0", "repetition_penalty"),
    ("\"logit_bias\": {\"265\": 1}", "logit_bias"), ("\"logit_bias\": {\"-1\": 1}", "logit_bias"),
    ("\"logit_bias\": {\"+1\": 1}", "logit_bias"), ("\"logit_bias\": {\"1\": 101}", "logit_bias"),
    ("\"logit_bias\": {\"1\": null}", "logit_bias"), ("\"logit_bias\": []", "logit_bias"),
    ("\"seed\": 1.5", "seed"), ("\"seed\": 9223372036854775808", "seed"), ("\"n\": 0", "n"),
    ("\"n\": 129", "n"), ("\"n\": 65", "n"), ("\"stop\": 5", "stop"), ("\"stop\": [\"\"]", "stop"),
    ("\"stop\": [null]", "stop"), ("\"stop_token_ids\": [265]", "stop_token_ids"),
    ("\"stop_token_ids\": 5", "stop_token_ids"), ("\"ignore_eos\": 1", "ignore_eos"),
    ("\"max_tokens\": -1", "max_tokens"), ("\"max_tokens\": 1e308", "max_tokens"),
    ("\"n_predict\": -2", "n_predict"), ("\"n_predict\": 0", "n_predict"),
    ("\"n_predict\": 1.5", "n_predict"),
    ("\"n_predict\": 5, \"max_tokens\": 6", "n_predict"),
    ("\"n_predict\": -1, \"max_tokens\": 6", "n_predict"),
    ("\"cache_prompt\": 1", "cache_prompt"), ("\"cache_prompt\": \"no\"", "cache_prompt"),
    ("\"stream\": \"yes\"", "stream"),
    ("\"stream_options\": {\"include_usage\": true}", "stream_options"),
    ("\"stream\": true, \"stream_options\": {\"x\": 1}", "stream_options.x"),
    (
      "\"stream\": true, \"stream_options\": {\"include_usage\": 1}",
      "stream_options.include_usage"
    ),
    ("\"user\": 5", "user"), ("\"store\": true", "store"),
    (
      "\"service_tier\": \"flex\"",
      "service_tier"
    ),
    ("\"min_tokens\": 1", "min_tokens"), ("\"bad_words\": [\"x\"]", "bad_words"),
    ("\"use_beam_search\": true", "use_beam_search"),
    (
      "\"prompt_logprobs\": 1",
      "prompt_logprobs"
    ),
    ("\"priority\": 0.5", "priority"), ("\"priority\": \"1\"", "priority"),
    ("\"priority\": 2147483648", "priority"), ("\"priority\": true", "priority"),
    ("\"cache_salt\": \"\"", "cache_salt"), ("\"cache_salt\": 5", "cache_salt"),
    ("\"cache_salt\": \"\(String(repeating: "s", count: 257))\"", "cache_salt"),
    ("\"structured_outputs\": {}", "structured_outputs"), ("\"guided_json\": {}", "guided_json"),
    ("\"response_format\": {\"type\": \"json_object\"}", "response_format"),
    ("\"truncate_prompt_tokens\": 5", "truncate_prompt_tokens"),
    ("\"no_such_thing\": 1", "no_such_thing"), ("\"Temperature\": 1", "Temperature"),
    ("\"no_such_thing\": null", "no_such_thing"),
  ]

  @Test("by both endpoints", arguments: common.indices)
  func refusedByBoth(index: Int) throws {
    let (members, param) = Self.common[index]
    for endpoint in [Endpoint.completion, .chat] {
      let error = try refusal(endpoint, members)
      #expect(error?.status == 400, "\(members)")
      #expect(error?.param == param, "\(members): \(error?.message ?? "accepted")")
      #expect(error?.message.contains(param) == true)
    }
  }

  static let single: [(endpoint: Endpoint, members: String, param: String?)] = [
    (.completion, "\"prompt\": null", "prompt"), (.completion, "\"prompt\": 5", "prompt"),
    (.completion, "\"prompt\": []", "prompt"), (.completion, "\"prompt\": [[]]", "prompt"),
    (.completion, "\"prompt\": [1, \"a\"]", "prompt"), (.completion, "\"prompt\": [265]", "prompt"),
    (.completion, "\"prompt\": [-1]", "prompt"), (.completion, "\"prompt\": [1, 1e300]", "prompt"),
    (.completion, "\"prompt\": [\"a\", 1]", "prompt"),
    (.completion, "\"prompt\": \"\", \"add_special_tokens\": false", "prompt"),
    (.completion, "\"max_tokens\": 0", "max_tokens"),
    (.completion, "\"max_tokens\": 253", "max_tokens"),
    (.completion, "\"n_predict\": 253", "n_predict"), (.chat, "\"n_predict\": 256", "n_predict"),
    (.completion, "\"max_tokens\": 9223372036854775807", "max_tokens"),
    (.completion, "\"logprobs\": 21", "logprobs"), (.completion, "\"logprobs\": true", "logprobs"),
    (.completion, "\"best_of\": 2", "best_of"), (.completion, "\"suffix\": \"x\"", "suffix"),
    (.completion, "\"messages\": []", "messages"),
    (.chat, "\"prompt\": \"x\"", "prompt"), (.chat, "\"messages\": []", "messages"),
    (.chat, "\"messages\": null", "messages"), (.chat, "\"messages\": [5]", "messages[0]"),
    (.chat, "\"messages\": [{\"content\": \"x\"}]", "messages[0].role"),
    (.chat, "\"messages\": [{\"role\": \"robot\", \"content\": \"x\"}]", "messages[0].role"),
    (.chat, "\"messages\": [{\"role\": \"user\"}]", "messages[0].content"),
    (.chat, "\"messages\": [{\"role\": \"user\", \"content\": 5}]", "messages[0].content"),
    (
      .chat, "\"messages\": [{\"role\": \"user\", \"content\": \"x\", \"name\": \"n\"}]",
      "messages[0].name"
    ),
    (
      .chat, "\"messages\": [{\"role\": \"user\", \"content\": \"x\", \"tool_calls\": [{}]}]",
      "messages[0].tool_calls"
    ),
    (
      .chat, "\"messages\": [{\"role\": \"assistant\", \"tool_calls\": [{}]}]",
      "messages[0].tool_calls[0].function"
    ),
    (
      .chat, "\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"}]}]",
      "messages[0].content[0].type"
    ),
    (
      .chat, "\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\"}]}]",
      "messages[0].content[0].text"
    ),
    (.chat, "\"logprobs\": 5", "logprobs"), (.chat, "\"top_logprobs\": 5", "top_logprobs"),
    (.chat, "\"logprobs\": true, \"top_logprobs\": 21", "top_logprobs"),
    (.chat, "\"max_tokens\": 0", "max_tokens"),
    (.chat, "\"max_tokens\": 5, \"max_completion_tokens\": 6", "max_tokens"),
    (.chat, "\"max_completion_tokens\": 256", "max_completion_tokens"),
    (.chat, "\"tools\": [{}]", "tools"), (.chat, "\"tool_choice\": \"auto\"", "tool_choice"),
    (.chat, "\"functions\": [{}]", "functions"), (.chat, "\"echo\": true", "echo"),
    (.chat, "\"parallel_tool_calls\": 1", "parallel_tool_calls"),
    (.chat, "\"reasoning_effort\": \"low\"", "reasoning_effort"),
    (.chat, "\"modalities\": [\"audio\"]", "modalities"),
    (.chat, "\"continue_final_message\": true", "continue_final_message"),
    (.chat, "\"chat_template_kwargs\": {\"x\": 1}", "chat_template_kwargs.x"),
    // The format of V3 cannot think on demand.
    (.chat, "\"chat_template_kwargs\": {\"thinking\": true}", "chat_template_kwargs.thinking"),
    (.tokenize, "", "prompt"), (.tokenize, "\"prompt\": 5", "prompt"),
    (.tokenize, "\"prompt\": \"x\", \"y\": 1", "y"), (.detokenize, "", "tokens"),
    (.detokenize, "\"tokens\": [265]", "tokens"), (.detokenize, "\"tokens\": \"x\"", "tokens"),
    (.detokenize, "\"tokens\": [], \"y\": 1", "y"),
  ]

  @Test("by one endpoint", arguments: single.indices)
  func refusedByOne(index: Int) throws {
    let (endpoint, members, param) = Self.single[index]
    let error = try refusal(endpoint, members)
    #expect(error?.status == 400, "\(members)")
    #expect(error?.param == param, "\(members): \(error?.message ?? "accepted")")
  }

  @Test("a prompt that leaves no room is too long for the context")
  func promptTooLong() throws {
    let tokens = Array(repeating: "1", count: 256).joined(separator: ",")
    let error = try refusal(.completion, "\"prompt\": [\(tokens)]")
    #expect(error?.code == "context_length_exceeded")
    #expect(error?.param == "prompt")
    let long = String(repeating: "x", count: 300)
    let chat = try refusal(.chat, "\"messages\": [{\"role\": \"user\", \"content\": \"\(long)\"}]")
    #expect(chat?.code == "context_length_exceeded")
    // Scoring needs no room for an answer.
    let scored = try refusal(
      .completion, "\"prompt\": [\(tokens)], \"echo\": true, \"max_tokens\": 0")
    #expect(scored == nil)
  }

  @Test("another model does not exist", arguments: [Endpoint.completion, .chat, .tokenize])
  func unknownModel(endpoint: Endpoint) throws {
    let error = try refusal(endpoint, "\"model\": \"other\"")
    #expect(error?.status == 404)
    #expect(error?.code == "model_not_found")
  }

  @Test("without a tokenizer prompts are token ids")
  func noTokenizer() throws {
    let model = try TestService(hasTokenizer: false).model
    for (endpoint, members, param) in [
      (Endpoint.completion, "", "prompt"), (.chat, "", "messages"),
      (.completion, "\"prompt\": [1], \"stop\": \"x\"", "stop"),
    ] {
      let error = try refusal(endpoint, members, model: model)
      #expect(error?.status == 400)
      #expect(error?.param == param)
      #expect(error?.message.contains("tokenizer") == true)
    }
    #expect(try refusal(.completion, "\"prompt\": [1]", model: model) == nil)
    #expect(try refusal(.tokenize, "\"prompt\": \"x\"", model: model)?.status == 400)
  }

  @Test("without a known chat template the answer names the flag")
  func noChatFormat() throws {
    let model = try TestService(chatFormat: nil).model
    let error = try refusal(.chat, "", model: model)
    #expect(error?.status == 400)
    #expect(error?.message.contains("--chat-format") == true)
    #expect(try refusal(.completion, "", model: model) == nil)
  }

  /// Every numeric member with numbers at the edges of what JSON can say: an answer, never a trap,
  /// and where it is a refusal it names the member.
  @Test(
    "numbers at their extremes",
    arguments: [
      "temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty",
      "repetition_penalty", "seed", "n", "max_tokens", "logprobs", "top_logprobs", "best_of",
      "max_completion_tokens", "stop_token_ids", "logit_bias", "prompt", "min_tokens", "priority",
      "cache_salt", "n_predict", "cache_prompt",
    ])
  func extremes(key: String) throws {
    let numbers = [
      "0", "-0", "-0.0", "-1", "1e308", "-1e308", "1.7976931348623157e308", "5e-324", "1e-400",
      "9223372036854775807", "9223372036854775808", "-9223372036854775808",
      "-9223372036854775809", "18446744073709551616", "2147483648", "-2147483649", "0.5",
      "123456789012345678901234567890", "1E+2",
    ]
    for number in numbers {
      let values =
        switch key {
        case "stop_token_ids", "prompt": ["[\(number)]", "[[\(number)]]", number]
        case "logit_bias": ["{\"1\": \(number)}", "{\"\(number)\": 1}"]
        default: [number, "[\(number)]"]
        }
      for value in values {
        for endpoint in [Endpoint.completion, .chat] {
          guard let error = try refusal(endpoint, "\"\(key)\": \(value)") else { continue }
          #expect(error.status == 400)
          #expect(error.param == key, "\(key): \(value): \(error.message)")
        }
      }
    }
  }
}
