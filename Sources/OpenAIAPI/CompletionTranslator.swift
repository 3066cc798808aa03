// The body of `POST /v1/completions` to a typed request.

import JSON
import Text

extension RequestTranslator {
  /// Reads a completion request (platform.openai.com/docs/api-reference/completions/create, with
  /// vLLM's extensions).
  package mutating func completion() throws(APIError) -> TranslatedRequest {
    request.prompts = try prompts()
    try readCommonFields()
    request.output.logprobs = try fields.integer("logprobs", in: 0...APILimits.topLogprobs)
    request.output.echo = try fields.bool("echo") ?? false
    try checkPromptLogprobs()
    let asked = try readMaxTokens(["max_tokens"], from: 0, default: 16, promptParam: "prompt")
    if let asked, asked.count == 0, !request.output.echo {
      throw fields.invalid(asked.param, "may be 0 only when `echo` is true")
    }
    let bestOf = try fields.integer("best_of", in: 1...APILimits.choicesPerPrompt)
    guard bestOf == nil || bestOf == request.choicesPerPrompt else {
      throw fields.invalid(
        "best_of", "is supported only when it equals `n`", code: "unsupported_parameter")
    }
    try fields.refuse("suffix", except: [])
    try fields.finish()
    return request
  }

  /// Scores of an echoed prompt are held until they are sent, once for each answer.
  private func checkPromptLogprobs() throws(APIError) {
    guard request.output.echo, let alternatives = request.output.logprobs else { return }
    let tokens = request.prompts.reduce(0) { $0 + $1.tokens.count }
    guard tokens * request.choicesPerPrompt * (alternatives + 1) <= APILimits.promptLogprobs else {
      throw fields.invalid(
        "logprobs",
        "for an echoed prompt may ask for at most \(APILimits.promptLogprobs) values in all")
    }
  }

  private mutating func prompts() throws(APIError) -> [Prompt] {
    let addsSpecialTokens = try fields.bool("add_special_tokens") ?? true
    guard let value = fields.value("prompt") else { throw fields.invalid("prompt", "is required") }
    if value.stringValue != nil || value.arrayValue?.first?.integerValue != nil {
      return [try prompt(value, addsSpecialTokens: addsSpecialTokens)]
    }
    guard let elements = value.arrayValue else {
      throw fields.invalid("prompt", "must be a string or an array, not \(value.kind)")
    }
    guard (1...APILimits.prompts).contains(elements.count) else {
      throw fields.invalid("prompt", "must hold between 1 and \(APILimits.prompts) prompts")
    }
    var prompts: [Prompt] = []
    for element in elements {
      prompts.append(try prompt(element, addsSpecialTokens: addsSpecialTokens))
    }
    return prompts
  }

  /// A string or an array of token ids.
  private func prompt(_ value: JSONValue, addsSpecialTokens: Bool) throws(APIError) -> Prompt {
    var prompt: Prompt
    if let text = value.stringValue {
      guard let tokenizer = model.tokenizer else {
        throw fields.invalid("prompt", "must be token ids: this model has no tokenizer")
      }
      prompt = Prompt(
        tokens: tokenizer.encode(text, addSpecialTokens: addsSpecialTokens), text: text)
    } else if let elements = value.arrayValue {
      prompt = Prompt(tokens: [])
      prompt.tokens.reserveCapacity(elements.count)
      for element in elements { prompt.tokens.append(try token(element, in: "prompt")) }
    } else {
      throw fields.invalid(
        "prompt",
        "must be a string, an array of strings, an array of token ids or an array of "
          + "such arrays")
    }
    return prompt
  }
}
