// What is known of one request at its end, gathered by the layers it went through.

import HTTP
import Serving

/// The access log's notes on a request: made by `AccessLog`, filled by the session that answers.
///
/// Unchecked because it is touched on the connection's queue alone.
final class RequestRecord: RequestAttachment, @unchecked Sendable {
  let id: String
  let method: String
  let path: String
  let peer: String
  let userAgent: String?
  /// Nanoseconds of the log's clock.
  let begun: UInt64
  /// Texts are gathered only where they are to be logged.
  private let keepsTexts: Bool

  /// Nil for requests that generate nothing.
  private(set) var model: String?
  private(set) var promptTokens = 0
  private(set) var cachedTokens = 0
  private(set) var generatedTokens = 0
  private(set) var finishReasons: [String] = []
  /// Of all answers as one.
  private(set) var timings: GenerationTimings?
  private(set) var prompts: [String] = []
  private(set) var answers: [String] = []
  private var choicesPerPrompt = 1

  init(_ request: Request, id: String, begun: UInt64, keepsTexts: Bool) {
    self.id = id
    self.begun = begun
    self.keepsTexts = keepsTexts
    method = request.method.rawValue
    path = Self.cut(request.path, APILimits.loggedBytes)
    peer = request.peer
    userAgent = request.headers["user-agent"].map { Self.cut($0, APILimits.loggedBytes) }
  }

  /// A text's beginning, cut between characters.
  private static func cut(_ text: String, _ bytes: Int) -> String {
    guard text.utf8.count > bytes else { return text }
    var end = text.utf8.index(text.startIndex, offsetBy: bytes)
    while end > text.startIndex, end.samePosition(in: text.unicodeScalars) == nil {
      end = text.utf8.index(before: end)
    }
    return String(text[..<end])
  }

  // MARK: - From the session

  func begin(_ request: TranslatedRequest, model: String) {
    self.model = model
    choicesPerPrompt = request.choicesPerPrompt
    promptTokens = request.prompts.reduce(0) { $0 + $1.tokens.count }
    guard keepsTexts else { return }
    var room = APILimits.loggedTextBytes
    for prompt in request.prompts {
      let text = Self.cut(prompt.text ?? prompt.tokens.description, room)
      room -= text.utf8.count
      prompts.append(text)
    }
    answers = Array(repeating: "", count: request.choiceCount)
  }

  /// Further answers to a prompt find there what the first one left, which is nobody's saving.
  func add(_ delta: ChoiceDelta, choice: Int) {
    generatedTokens += delta.tokens.count
    if choice.isMultiple(of: choicesPerPrompt) { cachedTokens += delta.cachedTokens }
    guard keepsTexts else { return }
    let room = APILimits.loggedTextBytes / answers.count - answers[choice].utf8.count
    if room > 0 { answers[choice] += Self.cut(delta.text, room) }
  }

  /// One of the answers has ended.
  func end(_ reason: String, _ timings: GenerationTimings) {
    finishReasons.append(reason)
    if self.timings == nil {
      self.timings = timings
    } else {
      self.timings?.formUnion(timings)
    }
  }
}
