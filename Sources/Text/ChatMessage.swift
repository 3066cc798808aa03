// A conversation as the chat templates see it.

import JSON

/// One message of a conversation.
public struct ChatMessage: Sendable, Equatable {
  /// Who speaks.
  public enum Role: String, Sendable {
    case system, user, assistant, tool
  }

  /// Who speaks.
  public var role: Role
  /// nil where the message has none, as an assistant message that only calls tools.
  public var content: String?
  /// nil where the message has no such member; the templates tell that from an empty list.
  public var toolCalls: [ChatToolCall]?
  /// The call that a tool message answers. No template of this target shows it.
  public var toolCallID: String?
  /// An assistant message that the model is to continue (DeepSeek's `prefix`).
  public var isPrefix: Bool

  public init(
    role: Role, content: String?, toolCalls: [ChatToolCall]? = nil, toolCallID: String? = nil,
    isPrefix: Bool = false
  ) {
    self.role = role
    self.content = content
    self.toolCalls = toolCalls
    self.toolCallID = toolCallID
    self.isPrefix = isPrefix
  }
}

/// A call that the assistant made.
public struct ChatToolCall: Sendable, Equatable {
  public var id: String?
  public var type: String
  public var name: String
  /// A string of JSON as OpenAI has it, or the value itself.
  public var arguments: JSONValue

  public init(id: String? = nil, type: String = "function", name: String, arguments: JSONValue) {
    self.id = id
    self.type = type
    self.name = name
    self.arguments = arguments
  }
}

/// What a request decides about the rendering.
public struct ChatOptions: Sendable, Equatable {
  /// End with the beginning of the assistant's answer.
  public var addGenerationPrompt: Bool
  /// Let the model think before it answers, where the format knows that.
  public var thinking: Bool
  /// The texts of the checkpoint's begin and end tokens.
  public var beginToken: String
  public var endToken: String

  public init(
    addGenerationPrompt: Bool = true, thinking: Bool = false,
    beginToken: String = "<｜begin▁of▁sentence｜>", endToken: String = "<｜end▁of▁sentence｜>"
  ) {
    self.addGenerationPrompt = addGenerationPrompt
    self.thinking = thinking
    self.beginToken = beginToken
    self.endToken = endToken
  }
}
