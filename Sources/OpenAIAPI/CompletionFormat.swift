// The wire form of completion answers (platform.openai.com/docs/api-reference/completions/object).

import JSON
import Sampling

struct CompletionFormat: AnswerFormat {
  let output: OutputOptions
  let tokens: TokenText

  let wholeKind = "text_completion"
  let chunkKind = "text_completion"
  let announcesChoices = false

  func whole(_ delta: ChoiceDelta, choice: Int, prompt: Prompt) -> JSONValue {
    chunk(delta, choice: choice, prompt: prompt, isFirst: true)
  }

  func chunk(_ delta: ChoiceDelta, choice: Int, prompt: Prompt, isFirst: Bool) -> JSONValue {
    var object = JSONObject()
    object["index"] = .integer(choice)
    object["text"] = .string(delta.text)
    object["logprobs"] = output.logprobs == nil ? .null : logprobs(delta.entries)
    object["finish_reason"] = delta.end?.reasonName ?? .null
    object["stop_reason"] = delta.end?.stopReason ?? .null
    if output.tokenIDs {
      object["token_ids"] = .tokens(delta.tokens)
      if isFirst { object["prompt_token_ids"] = .tokens(prompt.tokens) }
    }
    return .object(object)
  }

  func extras(_ prompts: [Prompt]) -> JSONObject { JSONObject() }

  private func logprobs(_ entries: [TokenEntry]) -> JSONValue {
    .object([
      "text_offset": .array(entries.map { .integer($0.textOffset) }),
      "token_logprobs": .array(
        entries.map { $0.logprobs.map { .logprob($0.chosen.logprob) } ?? .null }),
      "tokens": .array(entries.map { .string(tokens.name($0.token)) }),
      "top_logprobs": .array(entries.map { $0.logprobs.map(alternatives) ?? .null }),
    ])
  }

  /// The most likely tokens and, as the API promises, always the chosen one. Where several tokens
  /// have one name, because none of them is whole characters, the most likely one keeps it.
  private func alternatives(_ logprobs: TokenLogprobs) -> JSONValue {
    var object = JSONObject()
    for scored in logprobs.top + [logprobs.chosen] {
      let name = tokens.name(scored.token)
      if object[name] == nil { object[name] = .logprob(scored.logprob) }
    }
    return .object(object)
  }
}
