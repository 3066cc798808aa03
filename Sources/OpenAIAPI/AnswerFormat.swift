// The wire form of answers: what both endpoints share.

import Glibc
import JSON
import Serving

/// Tokens read and written so far. Each prompt counts once, whatever the number of its answers.
package struct Usage: Equatable {
  private let promptTokens: Int
  private let choicesPerPrompt: Int
  private var cachedTokens = 0
  private var completionTokens = 0

  package init(_ request: TranslatedRequest) {
    promptTokens = request.prompts.reduce(0) { $0 + $1.tokens.count }
    choicesPerPrompt = request.choicesPerPrompt
  }

  /// Further answers to a prompt find there what the first one left, which is nobody's saving.
  package mutating func add(_ delta: ChoiceDelta, choice: Int) {
    completionTokens += delta.tokens.count
    if choice.isMultiple(of: choicesPerPrompt) { cachedTokens += delta.cachedTokens }
  }

  package var json: JSONValue {
    [
      "prompt_tokens": .integer(promptTokens),
      "completion_tokens": .integer(completionTokens),
      "total_tokens": .integer(promptTokens + completionTokens),
      "prompt_tokens_details": ["cached_tokens": .integer(cachedTokens)],
    ]
  }
}

/// The members that every object of one answer repeats.
struct AnswerHeader {
  let id: String
  /// Seconds since 1970.
  let created: Int
  let model: ServedModel

  /// A new answer, named by a random number.
  init(idPrefix: String, model: ServedModel) {
    let digits = String(UInt128.random(in: .min ... .max), radix: 16)
    id = "\(idPrefix)-\(String(repeating: "0", count: 32 - digits.count))\(digits)"
    created = time(nil)
    self.model = model
  }

  /// - Parameter usage: nil leaves the member away, `.null` states that it comes later.
  func object(
    _ kind: String, choices: [JSONValue], usage: JSONValue?, extras: JSONObject
  ) -> JSONValue {
    var object = JSONObject()
    object["id"] = .string(id)
    object["object"] = .string(kind)
    object["created"] = .integer(created)
    object["model"] = .string(model.name)
    object["system_fingerprint"] = .optional(model.fingerprint)
    object["choices"] = .array(choices)
    object["usage"] = usage
    for (key, value) in extras.members { object[key] = value }
    return .object(object)
  }
}

/// Writes the choices of one endpoint.
protocol AnswerFormat {
  /// The `object` of a whole answer and of a chunk.
  var wholeKind: String { get }
  var chunkKind: String { get }
  /// Whether each choice is announced by a chunk of its own before its first text.
  var announcesChoices: Bool { get }

  /// A choice of a whole answer.
  func whole(_ delta: ChoiceDelta, choice: Int, prompt: Prompt) -> JSONValue
  /// A choice of a chunk. `isFirst` holds for the first chunk of each choice.
  func chunk(_ delta: ChoiceDelta, choice: Int, prompt: Prompt, isFirst: Bool) -> JSONValue
  /// Members of the whole answer, or of the first chunk, beside its choices.
  func extras(_ prompts: [Prompt]) -> JSONObject
}

extension FinishReason {
  /// The API's word.
  var name: String {
    switch self {
    case .stop: "stop"
    case .length: "length"
    }
  }
}

extension ChoiceEnd {
  var reasonName: JSONValue { .string(reason.name) }

  /// vLLM's `stop_reason`: the stop token or the stop string that ended the answer.
  var stopReason: JSONValue { stopToken.map { .integer(Int($0)) } ?? .optional(stopString) }
}
