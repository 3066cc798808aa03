// One conversation: what was asked and answered so far, and how it is sent again.

import JSON

/// The turns of one user. Answers are kept only as far as there will be a turn after them.
package struct Conversation {
  private let turns: Int
  private var prompts: [Prompt] = []
  private var answers: [Prompt] = []

  package init(turns: Int) { self.turns = turns }

  /// Whether another turn may follow.
  package var isOver: Bool { prompts.count >= turns }
  /// Whether the next turn is the first.
  package var isNew: Bool { prompts.isEmpty }

  package mutating func ask(_ prompt: Prompt) { prompts.append(prompt) }

  /// The answer to the last prompt.
  package mutating func answer(_ answer: Prompt) { answers.append(answer) }

  /// The `messages` of a chat (platform.openai.com/docs/api-reference/chat/create).
  package var messages: JSONValue {
    var messages: [JSONValue] = []
    for (index, prompt) in prompts.enumerated() {
      messages.append(Self.message("user", prompt))
      if index < answers.count { messages.append(Self.message("assistant", answers[index])) }
    }
    return .array(messages)
  }

  private static func message(_ role: String, _ content: Prompt) -> JSONValue {
    guard case .text(let text) = content else { preconditionFailure("chats are of text") }
    return ["role": .string(role), "content": .string(text)]
  }

  /// The `prompt` of a completion: everything so far, one after the other.
  package var prompt: JSONValue {
    var text = ""
    var tokens: [JSONValue] = []
    for (index, prompt) in prompts.enumerated() {
      for piece in [prompt] + answers.dropFirst(index).prefix(1) {
        switch piece {
        case .text(let piece):
          // Words of two turns must not run together.
          if !text.isEmpty, !piece.hasPrefix(" ") { text += " " }
          text += piece
        case .tokens(let ids): tokens += ids.map { .integer($0) }
        }
      }
    }
    return tokens.isEmpty ? .string(text) : .array(tokens)
  }
}
