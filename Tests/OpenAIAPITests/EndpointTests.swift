// Every endpoint over a loopback connection, with a model whose answers are known: each parameter
// must show in an answer.

import Foundation
import JSON
import OpenAIAPI
import Testing
import Text

@Suite("Endpoints over HTTP")
struct EndpointTests {
  let service: TestService
  let server: TestServer

  init() throws {
    service = try TestService()
    server = try TestServer(service.model)
  }

  private func complete(_ members: JSONValue, server: TestServer? = nil) throws -> APIAnswer {
    let base: JSONValue = ["prompt": "abc", "temperature": 0, "max_tokens": 5]
    return try (server ?? self.server).post("/v1/completions", base.merging(members))
  }

  private func chat(_ members: JSONValue) throws -> APIAnswer {
    let base: JSONValue = [
      "messages": [["role": "user", "content": "Hi"]], "temperature": 0, "max_tokens": 5,
    ]
    return try server.post("/v1/chat/completions", base.merging(members))
  }

  private func text(_ members: JSONValue) throws -> String? {
    try complete(members).json.at("choices.0.text")?.stringValue
  }

  // MARK: - Whole answers

  @Test("a completion")
  func completion() throws {
    let answer = try complete([:])
    let json = answer.json
    #expect(answer.status == 200)
    #expect(json["id"]?.stringValue?.hasPrefix("cmpl-") == true)
    #expect(json["object"] == "text_completion")
    #expect(json["model"] == "alphabet")
    #expect(json["system_fingerprint"] == "test")
    #expect((json["created"]?.integerValue ?? 0) > 1_700_000_000)
    #expect(
      json["choices"] == [
        [
          "index": 0, "text": "defgh", "logprobs": nil, "finish_reason": "length",
          "stop_reason": nil,
        ]
      ])
    #expect(
      json["usage"] == [
        "prompt_tokens": 4, "completion_tokens": 5, "total_tokens": 9,
        "prompt_tokens_details": ["cached_tokens": 0],
      ])
  }

  @Test("a chat")
  func chat() throws {
    let json = try chat(["max_tokens": 40]).json
    #expect(json["id"]?.stringValue?.hasPrefix("chatcmpl-") == true)
    #expect(json["object"] == "chat.completion")
    #expect(json.at("choices.0.finish_reason") == "stop")
    #expect(
      json.at("choices.0.message") == [
        "role": "assistant", "content": "abcdefghijklmnopqrstuvwxyz", "refusal": nil,
      ])
    // <｜begin▁of▁sentence｜><｜User｜>Hi<｜Assistant｜>; 26 letters and the end.
    #expect(json.at("usage.prompt_tokens") == 5)
    #expect(json.at("usage.completion_tokens") == 27)
  }

  @Test("several prompts and choices come in order")
  func choices() throws {
    let json = try complete(["prompt": ["a", "m"], "n": 2, "max_tokens": 2]).json
    let choices = json["choices"]?.arrayValue ?? []
    #expect(choices.map { $0["text"] } == ["bc", "bc", "no", "no"])
    #expect(choices.map { $0["index"] } == [0, 1, 2, 3])
    #expect(json.at("usage.prompt_tokens") == 4)
    #expect(json.at("usage.completion_tokens") == 8)
  }

  @Test("sampled choices differ, and repeat with the seed")
  func seeds() throws {
    let members: JSONValue = ["temperature": 2, "max_tokens": 20, "n": 2, "seed": 7]
    let first = try complete(members).json["choices"]
    #expect(first == (try complete(members).json["choices"]))
    #expect(first?.at("0.text") != first?.at("1.text"))
    #expect(first != (try complete(members.merging(["seed": 8])).json["choices"]))
    let unseeded = members.merging(["seed": nil])
    #expect(try complete(unseeded).json["choices"] != complete(unseeded).json["choices"])
  }

  /// Each parameter changes the answer in the way it must.
  @Test("sampling parameters show in the text")
  func samplingParameters() throws {
    let hot: JSONValue = ["temperature": 2, "max_tokens": 5, "seed": 3]
    #expect(try text(hot) != "defgh")
    #expect(try text(["temperature": 1e-320]) == "defgh")
    #expect(try text(hot.merging(["top_k": 1])) == "defgh")
    #expect(try text(hot.merging(["top_p": 0])) == "defgh")
    #expect(try text(hot.merging(["min_p": 1])) == "defgh")
    #expect(try text(["logit_bias": ["113": 100]]) == "qqqqq")
    #expect(try text(["presence_penalty": -2]) == "ddddd")
    #expect(try text(["frequency_penalty": -2]) == "ddddd")
    #expect(try text(["repetition_penalty": 0.01, "prompt": [120]]) == "xxxxx")
    #expect(try text(["add_special_tokens": false, "prompt": "z", "max_tokens": 1]) == "")
  }

  @Test("scores of echoed prompts are limited in all")
  func scoreLimit() throws {
    let server = try TestServer(try TestService(queueLength: 300).model)
    let prompt = JSONValue.array(Array(repeating: .integer(97), count: 220))
    let answer = try server.post(
      "/v1/completions",
      [
        "prompt": .array(Array(repeating: prompt, count: 3)), "n": 80, "echo": true,
        "max_tokens": 0, "logprobs": 20,
      ])
    #expect(answer.status == 400)
    #expect(answer.error["param"] == "logprobs")
  }

  @Test("ends show in text, reason and token ids")
  func ends() throws {
    let stop = try complete(["stop": ["fg"]]).json
    #expect(stop.at("choices.0.text") == "de")
    #expect(stop.at("choices.0.finish_reason") == "stop")
    #expect(stop.at("choices.0.stop_reason") == "fg")
    let kept = try complete(["stop": "fg", "include_stop_str_in_output": true]).json
    #expect(kept.at("choices.0.text") == "defg")
    let token = try complete(["stop_token_ids": [102]]).json
    #expect(token.at("choices.0.text") == "de")
    #expect(token.at("choices.0.stop_reason") == 102)
    let ended = try complete(["prompt": "xy", "return_token_ids": true]).json
    #expect(ended.at("choices.0.text") == "z")
    #expect(ended.at("choices.0.finish_reason") == "stop")
    #expect(ended.at("choices.0.token_ids") == [122, 257])
    #expect(ended.at("choices.0.prompt_token_ids") == [256, 120, 121])
    let ignored = try complete(["prompt": "xy", "ignore_eos": true]).json
    #expect(ignored.at("choices.0.text") == "zabc")
    let shown = try complete(
      ["prompt": "xy", "ignore_eos": true, "skip_special_tokens": false]
    ).json
    #expect(shown.at("choices.0.text") == "z<｜end▁of▁sentence｜>abc")
  }

  // MARK: - Log-probabilities

  /// Of 265 tokens one has a logit of 1.5, the others 0.5.
  static let likely = 1.5 - log(exp(1.5) + 264 * exp(0.5))
  static let unlikely = 0.5 - log(exp(1.5) + 264 * exp(0.5))

  private func isNear(_ value: JSONValue?, _ expected: Double) -> Bool {
    value?.doubleValue.map { abs($0 - expected) < 1e-6 } == true
  }

  @Test("log-probabilities of a completion")
  func completionLogprobs() throws {
    let json = try complete(["logprobs": 1, "logit_bias": ["113": 100], "max_tokens": 1]).json
    let logprobs = try #require(json.at("choices.0.logprobs"))
    // The model's own distribution: the bias does not show in it.
    #expect(logprobs["tokens"] == ["q"])
    #expect(isNear(logprobs.at("token_logprobs.0"), Self.unlikely))
    #expect(logprobs.at("top_logprobs.0")?.objectValue?.keys == ["d", "q"])
    #expect(isNear(logprobs.at("top_logprobs.0.d"), Self.likely))
    #expect(logprobs["text_offset"] == [0])
    let ids = try complete(["logprobs": 0, "return_tokens_as_token_ids": true]).json
    #expect(ids.at("choices.0.logprobs.tokens.0") == "token_id:100")
    #expect(ids.at("choices.0.logprobs.top_logprobs.0")?.objectValue?.keys == ["token_id:100"])
  }

  @Test("log-probabilities of a chat")
  func chatLogprobs() throws {
    let json = try chat(["logprobs": true, "top_logprobs": 2, "max_tokens": 2]).json
    let content = try #require(json.at("choices.0.logprobs.content")?.arrayValue)
    #expect(content.map { $0["token"] } == ["a", "b"])
    #expect(content.map { $0["bytes"] } == [[97], [98]])
    #expect(isNear(content[0]["logprob"], Self.likely))
    #expect(content[0].at("top_logprobs.0.token") == "a")
    #expect(content[0]["top_logprobs"]?.arrayValue?.count == 2)
    #expect(isNear(content[0].at("top_logprobs.1.logprob"), Self.unlikely))
    let without = try chat(["logprobs": true]).json
    #expect(without.at("choices.0.logprobs.content.0.top_logprobs") == [])
  }

  @Test("an echoed prompt is scored")
  func scoring() throws {
    let json = try complete(["prompt": "abd", "echo": true, "max_tokens": 0, "logprobs": 1]).json
    #expect(json.at("choices.0.text") == "abd")
    let logprobs = try #require(json.at("choices.0.logprobs"))
    #expect(logprobs["tokens"] == ["<｜begin▁of▁sentence｜>", "a", "b", "d"])
    #expect(logprobs["text_offset"] == [0, 0, 1, 2])
    #expect(logprobs.at("token_logprobs.0") == .null)
    #expect(logprobs.at("top_logprobs.0") == .null)
    #expect(isNear(logprobs.at("token_logprobs.2"), Self.likely))
    #expect(isNear(logprobs.at("token_logprobs.3"), Self.unlikely))
    #expect(logprobs.at("top_logprobs.3")?.objectValue?.keys == ["c", "d"])
    #expect(json.at("usage.completion_tokens") == 0)
    let more = try complete(["echo": true, "max_tokens": 2, "logprobs": 0]).json
    #expect(more.at("choices.0.text") == "abcde")
    #expect(more.at("choices.0.logprobs.token_logprobs")?.arrayValue?.count == 6)
  }

  @Test("without a tokenizer everything is token ids")
  func noTokenizer() throws {
    let server = try TestServer(try TestService(hasTokenizer: false).model)
    let json = try complete(["prompt": [97], "logprobs": 1], server: server).json
    #expect(json.at("choices.0.text") == "")
    #expect(json.at("choices.0.token_ids") == [98, 99, 100, 101, 102])
    #expect(json.at("choices.0.logprobs.tokens.0") == "token_id:98")
    #expect(json.at("choices.0.logprobs.top_logprobs.0")?.objectValue?.keys == ["token_id:98"])
  }

  // MARK: - Streams

  @Test("a streamed completion joins to the whole one")
  func streamedCompletion() throws {
    for members in [
      ["prompt": "a", "max_tokens": 30], ["prompt": ["a", "k"], "n": 2, "stop": "opq"],
      ["echo": true, "logprobs": 2, "return_token_ids": true],
    ] as [JSONValue] {
      let whole = try complete(members).json["choices"]?.arrayValue ?? []
      let answer = try complete(members.merging(["stream": true]))
      #expect(answer.head.contains("Content-Type: text/event-stream"))
      #expect(answer.eventData.last == "[DONE]")
      for choice in whole {
        let parts = answer.chunks.flatMap { $0["choices"]?.arrayValue ?? [] }
          .filter { $0["index"] == choice["index"] }
        let text = parts.compactMap { $0["text"]?.stringValue }.joined()
        #expect(text == choice["text"]?.stringValue)
        #expect(parts.last?["finish_reason"] == choice["finish_reason"])
        #expect(parts.dropLast().allSatisfy { $0["finish_reason"] == .null })
        for list in ["token_ids", "logprobs.token_logprobs", "logprobs.text_offset"] {
          let joined = parts.flatMap { $0.at(list)?.arrayValue ?? [] }
          #expect(joined == choice.at(list)?.arrayValue ?? [], "\(list)")
        }
        #expect(parts.filter { $0["prompt_token_ids"] != nil }.count <= 1)
      }
      #expect(Set(answer.chunks.map { $0["id"]?.stringValue }).count == 1)
    }
  }

  @Test("a streamed chat")
  func streamedChat() throws {
    let answer = try chat(
      ["stream": true, "stream_options": ["include_usage": true], "max_tokens": 40])
    let chunks = answer.chunks
    #expect(chunks.allSatisfy { $0["object"] == "chat.completion.chunk" })
    #expect(chunks.first?.at("choices.0.delta") == ["role": "assistant", "content": ""])
    let text = chunks.compactMap { $0.at("choices.0.delta.content")?.stringValue }.joined()
    #expect(text == "abcdefghijklmnopqrstuvwxyz")
    #expect(chunks.dropLast().last?.at("choices.0.finish_reason") == "stop")
    #expect(chunks.last?["choices"] == [])
    #expect(chunks.last?.at("usage.completion_tokens") == 27)
    #expect(chunks.dropLast().allSatisfy { $0["usage"] == .null })
    #expect(try chat(["stream": true]).chunks.allSatisfy { $0["usage"] == nil })
  }

  @Test("usage in every chunk, on demand")
  func continuousUsage() throws {
    let answer = try complete([
      "stream": true, "stream_options": ["continuous_usage_stats": true], "max_tokens": 20,
    ])
    let counts = answer.chunks.compactMap { $0.at("usage.completion_tokens")?.integerValue }
    #expect(counts.count == answer.chunks.count)
    #expect(counts == counts.sorted())
    #expect(counts.last == 20)
  }

  // MARK: - The other routes

  @Test("health, models, tokenize and detokenize")
  func otherRoutes() throws {
    #expect(try server.get("/health").json == ["status": "ok"])
    let models = try server.get("/v1/models").json
    #expect(models["object"] == "list")
    #expect(models.at("data.0.id") == "alphabet")
    #expect(models.at("data.0.max_model_len") == 256)
    #expect(try server.get("/v1/models/alph%61bet").json == models.at("data.0"))
    let tokens = try server.post("/tokenize", ["prompt": "aé", "return_token_strs": true]).json
    #expect(tokens["count"] == 4)
    #expect(tokens["max_model_len"] == 256)
    #expect(tokens["tokens"] == [256, 97, 0xC3, 0xA9])
    let bare = try server.post("/tokenize", ["prompt": "a", "add_special_tokens": false]).json
    #expect(bare == ["count": 1, "max_model_len": 256, "tokens": [97], "token_strs": nil])
    let chat = try server.post(
      "/tokenize", ["messages": [["role": "user", "content": "H"]]]
    ).json
    #expect(chat["tokens"] == [256, 258, 72, 259])
    let open = try server.post(
      "/tokenize",
      ["messages": [["role": "user", "content": "H"]], "add_generation_prompt": false])
    #expect(open.json["tokens"] == [256, 258, 72])
    let text = try server.post("/detokenize", ["tokens": [256, 97, 0xC3, 0xA9]]).json
    #expect(text == ["prompt": "<｜begin▁of▁sentence｜>aé"])
  }

  @Test("thinking is rendered where the format knows it")
  func thinking() throws {
    let server = try TestServer(try TestService(chatFormat: .deepseekV31).model)
    func last(_ options: JSONValue) throws -> JSONValue? {
      let body: JSONValue = [
        "messages": [["role": "user", "content": "H"]], "chat_template_kwargs": options,
      ]
      return try server.post("/tokenize", body).json["tokens"]?.arrayValue?.last
    }
    #expect(try last(["thinking": true]) == 264)
    #expect(try last(["enable_thinking": true]) == 264)
    #expect(try last(["thinking": false]) != 264)
  }
}
