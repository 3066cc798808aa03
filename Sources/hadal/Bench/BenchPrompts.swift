// The tokens that `hadal bench` computes: pieces of a text, or random ones.

import Compute
import DeepSeek
import Platform
import Text

struct BenchPrompts {
  /// The token that begins every text; none where the model has none.
  private let begin: [Int32]
  /// Tokens of the text file; empty for random ones.
  private let text: [Int32]
  private let vocabulary: Int
  private let seed: UInt64

  private static let textLimit = 64 << 20

  init(_ model: PlannedModel, textFile: String?, seed: UInt64) throws {
    begin = model.configuration.beginToken.map { [$0] } ?? []
    vocabulary = model.configuration.vocabularySize
    self.seed = seed
    guard let textFile else {
      text = []
      return
    }
    guard let tokenizer = try ModelText(model.directory, model.configuration).tokenizer else {
      throw CommandError("--text: \(ModelText.noTokenizer)")
    }
    let bytes = try FileReader.read(textFile, limit: Self.textLimit)
    guard let words = String(validating: bytes, as: UTF8.self) else {
      throw CommandError("--text \(textFile) is not UTF-8")
    }
    text = tokenizer.encode(words, addSpecialTokens: false)
    guard !text.isEmpty else { throw CommandError("--text \(textFile) is empty") }
  }

  /// The first tokens of a stream; a longer context begins with the shorter one.
  func context(stream: Int, count: Int) -> [Int32] {
    Array((begin + tokens(stream: stream, number: 0, count: count)).prefix(count))
  }

  /// Tokens that follow a context, others for each number.
  func tokens(stream: Int, number: Int, count: Int) -> [Int32] {
    var generator = SplitMix(seed: seed)
    generator = SplitMix(seed: generator.next() ^ UInt64(stream) << 32 ^ UInt64(number))
    if text.isEmpty {
      return (0..<count).map { _ in Int32.random(in: 0..<Int32(vocabulary), using: &generator) }
    }
    let start = Int.random(in: 0..<text.count, using: &generator)
    return (0..<count).map { text[(start + $0) % text.count] }
  }
}
