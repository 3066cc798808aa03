// The body of `POST /v1/chat/completions` to a typed request.

import JSON
import Text

extension RequestTranslator {
  /// Reads a chat request (platform.openai.com/docs/api-reference/chat/create, with vLLM's
  /// extensions).
  package mutating func chat() throws(APIError) -> TranslatedRequest {
    try fields.refuseUnsupportedChat()
    request.prompts = [Prompt(tokens: try fields.conversation(model))]
    try readCommonFields()
    try readChatLogprobs()
    // `max_tokens` is the older name.
    try readMaxTokens(
      ["max_completion_tokens", "max_tokens"], from: 1,
      default: model.defaults.maxNewTokens ?? Int.max, promptParam: "messages")
    try fields.finish()
    return request
  }

  private mutating func readChatLogprobs() throws(APIError) {
    let isOn = try fields.bool("logprobs") ?? false
    let top = try fields.integer("top_logprobs", in: 0...APILimits.topLogprobs)
    guard isOn || (top ?? 0) == 0 else {
      throw fields.invalid("top_logprobs", "is only allowed when `logprobs` is true")
    }
    request.output.logprobs = isOn ? top ?? 0 : nil
  }
}
