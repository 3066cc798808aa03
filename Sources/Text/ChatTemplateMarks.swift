// Which chat format a Jinja template is, told by what it can write: the tags and words in its
// string literals and in the text outside of its blocks. A template belongs to a format when it
// writes all that the format needs and nothing that the format does not know; layout, variable
// names and the cutting of literals do not matter, and a template with one foreign mark belongs to
// none.

extension ChatFormat {
  /// The format of a template; nil when it is none of these.
  public static func detect(template: String) -> ChatFormat? {
    let marks = ChatTemplateMarks(template)
    return allCases.first { format in
      format.required.isSubset(of: marks.written)
        && marks.written.isSubset(of: format.required.union(format.known))
        && format.names.isSubset(of: marks.names)
    }
  }

  /// What a template of this format writes in any case.
  private var required: Set<String> {
    switch self {
    case .deepseekV2: ["User:", "Assistant:"]
    case .deepseekV3: ["<｜User｜>", "<｜Assistant｜>"]
    case .deepseekR1: ["<｜User｜>", "<｜Assistant｜>", "<think>"]
    case .deepseekV31: ["<｜User｜>", "<｜Assistant｜>", "<think>", "</think>"]
    }
  }

  /// What it may write or ask about besides: roles, keys of messages, tags of tools.
  private var known: Set<String> {
    let keys: Set = ["role", "content", "user", "assistant", "system"]
    let ends: Set = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"]
    let tools: Set = [
      "tool", "tool_calls", "function", "name", "arguments", "type", "<｜tool▁calls▁begin｜>",
      "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>",
      "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>",
    ]
    return switch self {
    case .deepseekV2: keys.union(ends)
    case .deepseekV3, .deepseekR1:
      keys.union(ends).union(tools).union([
        "</think>", "```json", "```", "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>",
      ])
    case .deepseekV31: keys.union(ends).union(tools).union(["prefix"])
    }
  }

  /// Variables that tell the format from one with the same marks.
  private var names: Set<String> { self == .deepseekV31 ? ["thinking"] : [] }
}

/// What a Jinja template writes, and the names in its code.
struct ChatTemplateMarks {
  /// Tags `<...>` and the words between them.
  private(set) var written: Set<String> = []
  private(set) var names: Set<String> = []

  init(_ template: String) {
    var scanner = Scanner(template)
    while let scalar = scanner.next() {
      if scalar == "{", let kind = scanner.peek(), kind == "{" || kind == "%" || kind == "#" {
        addWords(of: scanner.takeText())
        _ = scanner.next()
        if kind == "#" {
          scanner.skipComment()
        } else {
          scanCode(&scanner)
        }
      } else {
        scanner.text.append(scalar)
      }
    }
    addWords(of: scanner.takeText())
  }

  /// Up to the end of a block: literals are written, words are names.
  private mutating func scanCode(_ scanner: inout Scanner) {
    var name = String.UnicodeScalarView()
    while let scalar = scanner.next() {
      if scalar.properties.isAlphabetic || scalar == "_" || ("0"..."9").contains(scalar) {
        name.append(scalar)
        continue
      }
      if !name.isEmpty { names.insert(String(name)) }
      name.removeAll()
      if scalar == "'" || scalar == "\"" {
        addWords(of: scanner.takeLiteral(until: scalar))
      } else if scalar == "}" || scalar == "%", scanner.peek() == "}" {
        _ = scanner.next()
        return
      }
    }
  }

  private mutating func addWords(of text: String.UnicodeScalarView) {
    var word = String.UnicodeScalarView()
    func isSpace(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.isWhitespace }
    for scalar in text {
      if scalar == "<" || isSpace(scalar) {
        if !word.isEmpty { written.insert(String(word)) }
        word.removeAll()
      }
      if !isSpace(scalar) { word.append(scalar) }
      if scalar == ">" {
        written.insert(String(word))
        word.removeAll()
      }
    }
    if !word.isEmpty { written.insert(String(word)) }
  }

  private struct Scanner {
    private let input: [Unicode.Scalar]
    private var position = 0
    /// Text outside of blocks that has not been taken yet.
    var text = String.UnicodeScalarView()

    init(_ template: String) { input = Array(template.unicodeScalars) }

    func peek() -> Unicode.Scalar? { position < input.count ? input[position] : nil }

    mutating func next() -> Unicode.Scalar? {
      guard position < input.count else { return nil }
      position += 1
      return input[position - 1]
    }

    mutating func takeText() -> String.UnicodeScalarView {
      defer { text.removeAll() }
      return text
    }

    mutating func skipComment() {
      while let scalar = next() {
        if scalar == "#", peek() == "}" {
          position += 1
          return
        }
      }
    }

    mutating func takeLiteral(until quote: Unicode.Scalar) -> String.UnicodeScalarView {
      var literal = String.UnicodeScalarView()
      while let scalar = next(), scalar != quote {
        guard scalar == "\\" else {
          literal.append(scalar)
          continue
        }
        switch next() {
        case "n", "t", "r": literal.append(" ")
        case let escaped?: literal.append(escaped)
        case nil: break
        }
      }
      return literal
    }
  }
}
