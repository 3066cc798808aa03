// The wire form of chat answers (platform.openai.com/docs/api-reference/chat/object and
// .../chat/streaming).

import JSON
import Sampling

struct ChatAnswerFormat: AnswerFormat {
  let output: OutputOptions
  let tokens: TokenText

  let wholeKind = "chat.completion"
  let chunkKind = "chat.completion.chunk"
  let announcesChoices = true

  func whole(_ delta: ChoiceDelta, choice: Int, prompt: Prompt) -> JSONValue {
    let message: JSONValue = [
      "role": "assistant", "content": .string(delta.text), "refusal": nil,
    ]
    return object("message", message, delta, choice: choice, prompt: prompt, isFirst: true)
  }

  func chunk(_ delta: ChoiceDelta, choice: Int, prompt: Prompt, isFirst: Bool) -> JSONValue {
    var message = JSONObject()
    if isFirst { message["role"] = "assistant" }
    if isFirst || !delta.text.isEmpty { message["content"] = .string(delta.text) }
    return object(
      "delta", .object(message), delta, choice: choice, prompt: prompt, isFirst: isFirst)
  }

  /// vLLM reports the prompt's ids beside the choices.
  func extras(_ prompts: [Prompt]) -> JSONObject {
    var object = JSONObject()
    if output.tokenIDs { object["prompt_token_ids"] = .tokens(prompts.flatMap(\.tokens)) }
    return object
  }

  private func object(
    _ key: String, _ message: JSONValue, _ delta: ChoiceDelta, choice: Int, prompt: Prompt,
    isFirst: Bool
  ) -> JSONValue {
    var object = JSONObject()
    object["index"] = .integer(choice)
    object[key] = message
    let hasLogprobs = output.logprobs != nil && !delta.entries.isEmpty
    object["logprobs"] = hasLogprobs ? logprobs(delta.entries) : .null
    object["finish_reason"] = delta.end?.reasonName ?? .null
    object["stop_reason"] = delta.end?.stopReason ?? .null
    if output.tokenIDs {
      object["token_ids"] = .tokens(delta.tokens)
      if isFirst { object["prompt_token_ids"] = .tokens(prompt.tokens) }
    }
    return .object(object)
  }

  private func logprobs(_ entries: [TokenEntry]) -> JSONValue {
    let content = entries.compactMap(\.logprobs).map { logprobs in
      var object = self.object(logprobs.chosen)
      object["top_logprobs"] = .array(logprobs.top.map { .object(self.object($0)) })
      return JSONValue.object(object)
    }
    return .object(["content": .array(content), "refusal": nil])
  }

  private func object(_ scored: ScoredToken) -> JSONObject {
    var object = JSONObject()
    object["token"] = .string(tokens.name(scored.token))
    object["logprob"] = .logprob(scored.logprob)
    object["bytes"] = tokens.bytes(scored.token)
    return object
  }
}
