// JSON to a typed request: the fields that both generation endpoints share. Called on the
// connection's queue by the handlers of the two endpoints.

import JSON
import Serving

/// Reads one request body. Every member is either read, known to change nothing, or refused.
package struct RequestTranslator {
  let model: ServedModel
  var fields: RequestFields
  var request = TranslatedRequest()

  package init(_ body: JSONValue, model: ServedModel) throws(APIError) {
    self.model = model
    fields = try RequestFields(body)
    try fields.checkModel(model)
  }

  /// The members with the same meaning at both endpoints. The prompts have been read.
  mutating func readCommonFields() throws(APIError) {
    try readChoices()
    request.sampling = try samplingParameters()
    try readStops()
    try readOutput()
    try readStream()
    try readPlace()
    try fields.acceptInert()
    try fields.refuseUnsupported()
  }

  private mutating func readChoices() throws(APIError) {
    request.choicesPerPrompt = try fields.integer("n", in: 1...APILimits.choicesPerPrompt) ?? 1
    let queue = model.engine.limits.clientQueueLength
    let limit = min(APILimits.choices, queue)
    guard request.choiceCount <= limit else {
      throw fields.invalid(
        "n", "asks for \(request.choiceCount) answers in all, this server gives at most \(limit)")
    }
  }

  /// vLLM's fields for the request's place in the queue and in the prefix cache, and llama-server's
  /// for one that is to have none there.
  private mutating func readPlace() throws(APIError) {
    request.priority = try fields.integer("priority", in: APILimits.priority) ?? 0
    request.usesPrefixCache = try fields.bool("cache_prompt") ?? true
    request.cacheSalt = try fields.string("cache_salt")
    if let salt = request.cacheSalt, !(1...APILimits.cacheSaltBytes).contains(salt.utf8.count) {
      throw fields.invalid(
        "cache_salt", "must have between 1 and \(APILimits.cacheSaltBytes) bytes")
    }
  }

  // MARK: - Ends

  private mutating func readStops() throws(APIError) {
    request.text.stops = try stopStrings()
    request.text.includesStop = try fields.bool("include_stop_str_in_output") ?? false
    request.text.skipsSpecialTokens = try fields.bool("skip_special_tokens") ?? true
    request.endTokens = try fields.bool("ignore_eos") ?? false ? [] : model.endTokens
    let key = "stop_token_ids"
    for element in try fields.array(key, limit: APILimits.stopTokens) ?? [] {
      request.stopTokens.insert(try token(element, in: key))
    }
  }

  private mutating func stopStrings() throws(APIError) -> [String] {
    guard let value = fields.value("stop") else { return [] }
    let elements = value.arrayValue ?? [value]
    guard elements.count <= APILimits.stopStrings else {
      throw fields.invalid("stop", "may have at most \(APILimits.stopStrings) strings")
    }
    var stops: [String] = []
    for element in elements {
      guard let stop = element.stringValue else {
        throw fields.invalid("stop", "must be a string or an array of strings")
      }
      guard (1...APILimits.stopStringBytes).contains(stop.utf8.count) else {
        throw fields.invalid(
          "stop", "must have between 1 and \(APILimits.stopStringBytes) bytes per string")
      }
      stops.append(stop)
    }
    guard stops.isEmpty || model.tokenizer != nil else {
      throw fields.invalid("stop", "needs a tokenizer, which this model does not have")
    }
    return stops
  }

  /// A token id that the model has.
  func token(_ value: JSONValue, in key: String) throws(APIError) -> Int32 {
    guard let token = value.integerValue, (0..<model.vocabularySize).contains(token) else {
      throw fields.invalid(
        key, "must hold token ids between 0 and \(model.vocabularySize - 1)",
        code: "invalid_token_id")
    }
    return Int32(token)
  }

  // MARK: - The answer's form

  private mutating func readOutput() throws(APIError) {
    let hasTokenizer = model.tokenizer != nil
    request.output.tokensAsIDs =
      try fields.bool("return_tokens_as_token_ids") ?? false || !hasTokenizer
    request.output.tokenIDs = try fields.bool("return_token_ids") ?? false || !hasTokenizer
  }

  private mutating func readStream() throws(APIError) {
    let isStreamed = try fields.bool("stream") ?? false
    guard var options = try fields.fields("stream_options") else {
      request.stream = isStreamed ? StreamOptions() : nil
      return
    }
    guard isStreamed else {
      throw fields.invalid("stream_options", "is only allowed when `stream` is true")
    }
    request.stream = StreamOptions(
      includesUsage: try options.bool("include_usage") ?? false,
      includesContinuousUsage: try options.bool("continuous_usage_stats") ?? false)
    try options.refuse("include_obfuscation", except: [false])
    try options.finish()
  }

  // MARK: - Length

  /// Gives each prompt its most tokens: what the client asked for, otherwise the default as far as
  /// the context has room.
  mutating func setMaxTokens(
    _ requested: (count: Int, param: String)?, default fallback: Int, promptParam: String
  ) throws(APIError) {
    let limit = model.contextLength
    for index in request.prompts.indices {
      let count = request.prompts[index].tokens.count
      guard count > 0 else { throw fields.invalid(promptParam, "has no tokens") }
      guard count < limit || (requested?.count == 0 && count == limit) else {
        throw .contextLengthExceeded(
          promptParam,
          "This model's maximum context length is \(limit) tokens. Your prompt has "
            + "\(count) tokens, which leaves no room for an answer.")
      }
      if let requested, requested.count > limit - count {
        throw .contextLengthExceeded(
          requested.param,
          "This model's maximum context length is \(limit) tokens. You requested "
            + "\(requested.count) tokens on top of the \(count) tokens of the prompt.")
      }
      request.prompts[index].maxTokens = requested?.count ?? min(fallback, limit - count)
    }
  }
}

extension RequestFields {
  /// Reads `model`, which may only name the one that is served.
  mutating func checkModel(_ model: ServedModel) throws(APIError) {
    guard let name = try string("model"), name != model.name else { return }
    throw .modelNotFound(name)
  }
}
