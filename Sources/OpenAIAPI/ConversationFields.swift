// The messages of a conversation, and what else decides how they are rendered, to prompt tokens.

import JSON
import Text

extension RequestFields {
  /// Reads `messages` and the members that steer their rendering.
  mutating func conversation(_ model: ServedModel) throws(APIError) -> [Int32] {
    let messages = try messages()
    var options = ChatOptions()
    options.addGenerationPrompt = try bool("add_generation_prompt") ?? true
    let addsSpecialTokens = try bool("add_special_tokens") ?? false
    guard let tokenizer = model.tokenizer else {
      throw invalid("messages", "cannot be used: this model has no tokenizer")
    }
    guard let format = model.chatFormat else {
      throw invalid(
        "messages",
        "cannot be rendered: the chat template of this model is unknown. Start the "
          + "server with --chat-format to pick one", code: "unknown_chat_template")
    }
    options.thinking = try thinking(format) ?? false
    if let begin = tokenizer.text(tokenizer.beginToken) { options.beginToken = begin }
    if let end = tokenizer.text(tokenizer.endToken) { options.endToken = end }
    try checkTools(messages, format)
    do {
      let text = try format.render(messages, options: options)
      return tokenizer.encode(text, addSpecialTokens: addsSpecialTokens)
    } catch {
      throw .invalid(name("messages"), "\(error)")
    }
  }

  /// V2 has no place for tools.
  private func checkTools(_ messages: [ChatMessage], _ format: ChatFormat) throws(APIError) {
    guard format == .deepseekV2 else { return }
    for (index, message) in messages.enumerated()
    where message.role == .tool || message.toolCalls != nil {
      throw .invalid(
        "messages[\(index)]", "The chat format \(format.rawValue) has no tool calls.",
        code: "unsupported_parameter")
    }
  }

  /// The switch of models that can think before they answer, under the names of both templates
  /// that have one.
  private mutating func thinking(_ format: ChatFormat) throws(APIError) -> Bool? {
    guard var options = try fields("chat_template_kwargs") else { return nil }
    let thinking = try options.bool("thinking")
    let enableThinking = try options.bool("enable_thinking")
    try options.finish()
    guard thinking == nil || enableThinking == nil || thinking == enableThinking else {
      throw options.invalid("enable_thinking", "contradicts `thinking`")
    }
    guard format == .deepseekV31 || thinking ?? enableThinking != true else {
      throw options.invalid(
        thinking == nil ? "enable_thinking" : "thinking",
        "is not known to the chat format \(format.rawValue)", code: "unsupported_parameter")
    }
    return thinking ?? enableThinking
  }

  private mutating func messages() throws(APIError) -> [ChatMessage] {
    guard let elements = try array("messages", limit: APILimits.messages) else {
      throw invalid("messages", "is required")
    }
    guard !elements.isEmpty else { throw invalid("messages", "must hold at least one message") }
    var messages: [ChatMessage] = []
    for (index, element) in elements.enumerated() {
      var fields = try RequestFields(element, path: "\(name("messages"))[\(index)]")
      messages.append(try fields.message())
      try fields.finish()
    }
    return messages
  }

  private mutating func message() throws(APIError) -> ChatMessage {
    guard let name = try string("role") else { throw invalid("role", "is required") }
    guard let role = Self.roles[name] else {
      throw invalid("role", "must be one of system, developer, user, assistant, tool")
    }
    // No chat format here has a place for these.
    for key in ["name", "reasoning_content", "refusal", "annotations", "audio", "function_call"] {
      try refuse(key, except: [])
    }
    var message = ChatMessage(role: role, content: try content())
    switch role {
    // The formats show results in the order of the calls, not by name.
    case .tool: message.toolCallID = try string("tool_call_id")
    case .assistant: message.toolCalls = try toolCalls()
    case .system, .user: break
    }
    guard message.content != nil || message.toolCalls != nil else {
      throw invalid("content", "is required")
    }
    return message
  }

  private mutating func toolCalls() throws(APIError) -> [ChatToolCall]? {
    guard let elements = try array("tool_calls", limit: APILimits.toolCalls), !elements.isEmpty
    else { return nil }
    var calls: [ChatToolCall] = []
    for (index, element) in elements.enumerated() {
      var fields = try RequestFields(element, path: "\(name("tool_calls"))[\(index)]")
      let id = try fields.string("id")
      guard try fields.string("type") ?? "function" == "function" else {
        throw fields.invalid("type", "must be \"function\"")
      }
      guard var function = try fields.fields("function") else {
        throw fields.invalid("function", "is required")
      }
      guard let name = try function.string("name") else {
        throw function.invalid("name", "is required")
      }
      guard let arguments = try function.string("arguments") else {
        throw function.invalid("arguments", "is required")
      }
      try function.finish()
      try fields.finish()
      calls.append(ChatToolCall(id: id, name: name, arguments: .string(arguments)))
    }
    return calls
  }

  /// `developer` is OpenAI's newer name of `system`.
  private static let roles: [String: ChatMessage.Role] = [
    "system": .system, "developer": .system, "user": .user, "assistant": .assistant, "tool": .tool,
  ]

  /// A string, or text parts, which are joined by line feeds as in vLLM.
  private mutating func content() throws(APIError) -> String? {
    guard let value = value("content") else { return nil }
    if let text = value.stringValue { return text }
    guard let parts = try array("content", limit: APILimits.contentParts) else { return nil }
    var texts: [String] = []
    for (index, part) in parts.enumerated() {
      var fields = try RequestFields(part, path: "\(name("content"))[\(index)]")
      guard try fields.string("type") == "text" else {
        throw fields.invalid("type", "must be \"text\"", code: "unsupported_parameter")
      }
      guard let text = try fields.string("text") else {
        throw fields.invalid("text", "is required")
      }
      try fields.finish()
      texts.append(text)
    }
    return texts.joined(separator: "\n")
  }
}

extension Tokenizer {
  fileprivate func text(_ token: Int32?) -> String? {
    token.flatMap(bytes).map { String(decoding: $0, as: UTF8.self) }
  }
}
