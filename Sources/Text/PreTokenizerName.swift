// The names that GGUF files give to pre-tokenizers (llama.cpp, src/llama-vocab.cpp), recognised by
// the patterns of tokenizer.json.

enum PreTokenizerName {
  /// One step of a pre-tokenizer, as far as the names tell them apart.
  private enum Step: Equatable {
    /// Matches of a pattern become pieces of their own.
    case split(String)
    case digits
    case byteLevel(usesPattern: Bool)
  }

  /// Chinese and Korean, of DeepSeek's first tokenizers.
  private static let ideographs = "[一-龥ࠀ-一가-퟿]+"
  private static let punctuation = #"\s?[!-/:-~！-／：-～‘-‟　-。]+"#
  /// The letters of the "deepseek-llm" pattern go on for as long as Unicode has cased ones.
  private static let casedLetters = #"\s?[A-Za-zµÀ-ÖØ-öø-"#

  private static let words =
    ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"##
    + #"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"#
    + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#

  /// - Parameter file: the whole of tokenizer.json.
  static func recognise(_ file: FieldReader) throws(TextError) -> String {
    var steps: [Step] = []
    if let reader = try file.reader("pre_tokenizer") { try append(reader, to: &steps) }
    if steps == [.byteLevel(usesPattern: true)] { return "gpt-2" }
    guard steps.popLast() == .byteLevel(usesPattern: false) else { throw unknown }
    if steps == [.split(#"\p{N}{1,3}"#), .split("[一-龥぀-ゟ゠-ヿ]+"), .split(words)] {
      return "deepseek-v3"
    }
    let lineEnd = Step.split(#"[\r\n]"#)
    if steps == [
      lineEnd, .split(#"\s?\p{L}+"#), .split(#"\s?\p{P}+"#), .split(ideographs), .digits,
    ] {
      return "deepseek-coder"
    }
    if steps.count == 6, case .split(let letters) = steps[1], letters.hasPrefix(casedLetters),
      steps[0] == lineEnd,
      steps[2...] == [.split(punctuation), .split(#"\s+$"#), .split(ideographs), .digits]
    {
      return "deepseek-llm"
    }
    throw unknown
  }

  private static let unknown = TextError.unsupported(
    path: "pre_tokenizer", what: "one that GGUF files have no name for here")

  private static func append(_ reader: FieldReader, to steps: inout [Step]) throws(TextError) {
    switch try reader.typeOfStep(after: steps.count) {
    case "Sequence":
      for element in try reader.elements("pretokenizers") { try append(element, to: &steps) }
    case "Split":
      let pattern = try reader.reader("pattern")?.string("Regex")
      guard let pattern, try reader.requiredString("behavior") == "Isolated",
        try !reader.bool("invert", default: false)
      else { throw unknown }
      steps.append(.split(inOneSpelling(pattern)))
    case "Digits":
      guard try reader.bool("individual_digits", default: false) else { throw unknown }
      steps.append(.digits)
    case "ByteLevel":
      guard try !reader.bool("add_prefix_space", default: true) else { throw unknown }
      steps.append(.byteLevel(usesPattern: try reader.bool("use_regex", default: true)))
    default: throw unknown
    }
  }

  /// Files differ in which characters of a pattern they write as escapes.
  private static func inOneSpelling(_ pattern: String) -> String {
    var text = ""
    for scalar in pattern.replacing(#"\u3000"#, with: "\u{3000}").unicodeScalars {
      switch scalar {
      case "\r": text += #"\r"#
      case "\n": text += #"\n"#
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text
  }
}
