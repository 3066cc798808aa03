// The chat formats of the DeepSeek family and their rendering. Each renderer follows the published
// Jinja template of its models word by word; the recorded output of those templates is the test.
// Contents are not escaped: text that spells a special token becomes that token, as with the
// template itself.

import JSON

/// How a conversation becomes the text that a model continues.
public enum ChatFormat: String, CaseIterable, Sendable {
  /// DeepSeek-V2: `User:` and `Assistant:` in plain text.
  case deepseekV2 = "deepseek-v2"
  /// DeepSeek-V3 and R1, which at first shared one template.
  case deepseekV3 = "deepseek-v3"
  /// R1 since February 2025: V3's format, but every answer is made to begin with a thought.
  case deepseekR1 = "deepseek-r1"
  /// DeepSeek-V3.1, which thinks or not as the request says.
  case deepseekV31 = "deepseek-v3.1"

  /// The text of `messages`. None of these formats tells the model about tools it might call; they
  /// render calls and results that are already in the conversation.
  public func render(
    _ messages: [ChatMessage], options: ChatOptions = ChatOptions()
  ) throws(TextError) -> String {
    var renderer = ChatRenderer(options: options)
    switch self {
    case .deepseekV2: try renderer.renderV2(messages)
    case .deepseekV3: try renderer.renderV3(messages, opening: "")
    case .deepseekR1: try renderer.renderV3(messages, opening: "<think>\n")
    case .deepseekV31: try renderer.renderV31(messages)
    }
    return renderer.text
  }
}

/// The state that a template keeps while it walks through the messages.
private struct ChatRenderer {
  let options: ChatOptions
  var text: String
  /// A tool call has been rendered; V3 never resets this, V3.1 with each user message.
  private var hasCall = false
  /// The last message was a tool's.
  private var isTool = false
  private var hasToolOutput = false
  private var isLastUser = false

  init(options: ChatOptions) {
    self.options = options
    text = options.beginToken
  }

  /// The content of a message that must have one.
  private func content(_ message: ChatMessage, _ index: Int) throws(TextError) -> String {
    guard let content = message.content else {
      throw .message(index: index, reason: "a \(message.role.rawValue) message needs content here")
    }
    return content
  }

  /// V3 and V3.1 gather all system messages in front.
  private mutating func renderSystem(_ messages: [ChatMessage]) throws(TextError) {
    var isFirst = true
    for (index, message) in messages.enumerated() where message.role == .system {
      text += (isFirst ? "" : "\n\n") + (try content(message, index))
      isFirst = false
    }
  }

  // MARK: V2

  mutating func renderV2(_ messages: [ChatMessage]) throws(TextError) {
    for (index, message) in messages.enumerated() {
      switch message.role {
      case .user: text += "User: " + (try content(message, index)) + "\n\n"
      case .assistant: text += "Assistant: " + (try content(message, index)) + options.endToken
      case .system: text += (try content(message, index)) + "\n\n"
      case .tool: break
      }
    }
    if options.addGenerationPrompt { text += "Assistant:" }
  }

  // MARK: V3 and R1

  mutating func renderV3(
    _ messages: [ChatMessage], opening: String
  ) throws(TextError) {
    try renderSystem(messages)
    for (index, message) in messages.enumerated() {
      switch message.role {
      case .system: break
      case .user:
        isTool = false
        text += "<｜User｜>" + (try content(message, index))
      case .assistant where message.toolCalls != nil: try renderCallsV3(message, index)
      case .assistant:
        let content = try content(message, index)
        if isTool {
          text += "<｜tool▁outputs▁end｜>" + content + "<｜end▁of▁sentence｜>"
          isTool = false
        } else {
          let answer = Self.parts(of: content, around: "</think>").last ?? ""
          text += "<｜Assistant｜>" + answer + "<｜end▁of▁sentence｜>"
        }
      case .tool:
        isTool = true
        if !hasToolOutput { text += "<｜tool▁outputs▁begin｜>" }
        hasToolOutput = true
        text += "<｜tool▁output▁begin｜>" + (try content(message, index)) + "<｜tool▁output▁end｜>"
      }
    }
    if isTool { text += "<｜tool▁outputs▁end｜>" }
    if options.addGenerationPrompt, !isTool { text += "<｜Assistant｜>" + opening }
  }

  private mutating func renderCallsV3(_ message: ChatMessage, _ index: Int) throws(TextError) {
    isTool = false
    for call in message.toolCalls ?? [] {
      guard let arguments = call.arguments.stringValue else {
        throw .message(index: index, reason: "the arguments of a tool call must be a string")
      }
      text += hasCall ? "\n" : "<｜Assistant｜>" + (message.content ?? "") + "<｜tool▁calls▁begin｜>"
      hasCall = true
      text += "<｜tool▁call▁begin｜>" + call.type + "<｜tool▁sep｜>" + call.name
      text += "\n```json\n" + arguments + "\n```<｜tool▁call▁end｜>"
    }
    text += "<｜tool▁calls▁end｜><｜end▁of▁sentence｜>"
  }

  // MARK: V3.1

  mutating func renderV31(_ messages: [ChatMessage]) throws(TextError) {
    try renderSystem(messages)
    for (index, message) in messages.enumerated() {
      switch message.role {
      case .system: break
      case .user:
        (isTool, hasCall, isLastUser) = (false, false, true)
        text += "<｜User｜>" + (try content(message, index))
      case .assistant where message.toolCalls?.isEmpty == false: renderCallsV31(message)
      case .assistant:
        if isLastUser {
          let thinks = message.isPrefix && options.thinking
          text += "<｜Assistant｜>" + (thinks ? "<think>" : "<think></think>")
        }
        isLastUser = false
        let content = try content(message, index)
        let parts = Self.parts(of: content, around: "</think>")
        text +=
          isTool
          ? content
          : parts.dropFirst(parts.count > 1 ? 1 : 0)
            .joined(separator: "</think>")
        text += "<｜end▁of▁sentence｜>"
        isTool = false
      case .tool:
        isLastUser = false
        isTool = true
        text += "<｜tool▁output▁begin｜>" + (try content(message, index)) + "<｜tool▁output▁end｜>"
      }
    }
    if options.addGenerationPrompt, isLastUser, !isTool {
      text += "<｜Assistant｜>" + (options.thinking ? "<think>" : "<think></think>")
    }
  }

  private mutating func renderCallsV31(_ message: ChatMessage) {
    if isLastUser { text += "<｜Assistant｜><think></think>" }
    (isLastUser, hasCall, isTool) = (false, false, false)
    for call in message.toolCalls ?? [] {
      if !hasCall { text += (message.content ?? "") + "<｜tool▁calls▁begin｜>" }
      hasCall = true
      text += "<｜tool▁call▁begin｜>" + call.name + "<｜tool▁sep｜>"
      text += PythonJSON.text(call.arguments) + "<｜tool▁call▁end｜>"
    }
    text += "<｜tool▁calls▁end｜><｜end▁of▁sentence｜>"
  }

  /// Python's `str.split`, code point by code point.
  private static func parts(of text: String, around separator: String) -> [String] {
    let (bytes, mark) = (Array(text.utf8), Array(separator.utf8))
    var parts: [String] = []
    var start = 0
    var index = 0
    while index + mark.count <= bytes.count {
      if bytes[index] == mark[0], bytes[index..<(index + mark.count)].elementsEqual(mark) {
        parts.append(String(decoding: bytes[start..<index], as: UTF8.self))
        index += mark.count
        start = index
      } else {
        index += 1
      }
    }
    return parts + [String(decoding: bytes[start...], as: UTF8.self)]
  }
}
