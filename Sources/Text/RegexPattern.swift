// Rewrites an Oniguruma pattern (the syntax of tokenizer files: Hugging Face `tokenizers` compiles
// with Oniguruma in Ruby syntax, UTF-8) as a PCRE2 pattern that matches the same. Where both agree
// the text passes through; what PCRE2 would read differently is rewritten; what has no rewriting
// here is refused by name.
// Oniguruma: doc/RE and doc/SYNTAX.md of kkos/oniguruma. PCRE2: pcre2pattern(3), with PCRE2_UTF,
// PCRE2_UCP and PCRE2_MULTILINE (in Ruby `^` and `$` always mean lines).

struct RegexPattern {
  private let input: [Unicode.Scalar]
  private var position = 0
  /// Finished pieces; a quantifier that must not be read as possessive wraps the last atom.
  private var pieces: [String] = []
  /// Index in `pieces` of the atom that a quantifier would repeat.
  private var atom = 0
  /// For each open group: its first piece, and the brackets that its end needs.
  private var groups: [(start: Int, closings: String)] = []
  private var trailingClosings = ""

  static func translate(_ pattern: String) throws(RegexError) -> String {
    var translator = RegexPattern(pattern)
    while translator.position < translator.input.count { try translator.parseItem() }
    guard translator.groups.isEmpty else { throw RegexError(reason: "unclosed group") }
    return translator.pieces.joined() + translator.trailingClosings
  }

  private init(_ pattern: String) { input = Array(pattern.unicodeScalars) }

  private func peek(_ ahead: Int = 0) -> Unicode.Scalar? {
    position + ahead < input.count ? input[position + ahead] : nil
  }

  private mutating func next() throws(RegexError) -> Unicode.Scalar {
    guard let scalar = peek() else { throw RegexError(reason: "regular expression ends early") }
    position += 1
    return scalar
  }

  private func unsupported(_ what: String) -> RegexError {
    RegexError(reason: "regular expression: \(what) is not supported")
  }

  private mutating func emit(_ piece: String) {
    atom = pieces.count
    pieces.append(piece)
  }

  private mutating func parseItem() throws(RegexError) {
    let scalar = try next()
    switch scalar {
    case "\\": try parseEscape()
    case "[": emit(try parseClass().expression)
    case "(": try openGroup()
    case ")":
      guard let group = groups.popLast() else { throw RegexError(reason: "unmatched )") }
      pieces.append(group.closings)
      atom = group.start
    case "*", "+", "?":
      var quantifier = String(Character(scalar))
      if let suffix = peek(), suffix == "?" || suffix == "+" {
        quantifier.unicodeScalars.append(try next())
      }
      pieces.append(quantifier)
    case "{": try parseInterval()
    default: emit(String(Character(scalar)))
    }
  }

  // MARK: Groups and quantifiers

  private mutating func openGroup() throws(RegexError) {
    let start = pieces.count
    guard peek() == "?" else {
      pieces.append("(")
      groups.append((start, ")"))
      return
    }
    position += 1
    let head = try next()
    switch head {
    case ":", "=", "!", ">":
      pieces.append("(?\(Character(head))")
      groups.append((start, ")"))
    case "<":
      // A look-behind or a name; the text up to `>` belongs to the name and passes through.
      pieces.append("(?<")
      groups.append((start, ")"))
    case "#":
      while try next() != ")" {}
    default:
      position -= 1
      try parseOptions(start: start)
    }
  }

  /// `(?im-x)` and `(?im-x:...)`. Ruby's `m` is PCRE's `s`; an option without a colon covers the
  /// rest of the group including its alternatives, as if bracketed.
  private mutating func parseOptions(start: Int) throws(RegexError) {
    var options = ""
    while true {
      let scalar = try next()
      switch scalar {
      case "i", "x", "-": options.unicodeScalars.append(scalar)
      case "m": options.append("s")
      case ":":
        pieces.append("(?\(options):")
        groups.append((start, ")"))
        return
      case ")":
        pieces.append("(?\(options):")
        // A comment of the extended syntax ends with its line.
        let closing = options.contains("x") ? "\n)" : ")"
        if groups.isEmpty {
          trailingClosings = closing + trailingClosings
        } else {
          groups[groups.count - 1].closings = closing + groups[groups.count - 1].closings
        }
        return
      default: throw unsupported("(?\(Character(scalar))")
      }
    }
  }

  /// `{n}`, `{n,}`, `{n,m}`, `{,m}`, each perhaps lazy; anything else is a literal brace. A `+`
  /// behind an interval repeats it (it does not make it possessive, as it would for PCRE2).
  private mutating func parseInterval() throws(RegexError) {
    let start = position
    var bounds = ["", ""]
    var hasComma = false
    while let scalar = peek(), scalar == "," || ("0"..."9").contains(scalar) {
      if scalar == "," {
        guard !hasComma else { break }
        hasComma = true
      } else {
        bounds[hasComma ? 1 : 0].unicodeScalars.append(scalar)
      }
      position += 1
    }
    guard peek() == "}", !(bounds[0].isEmpty && bounds[1].isEmpty), atom < pieces.count else {
      position = start
      emit("\\{")
      return
    }
    position += 1
    let lower = bounds[0].isEmpty ? "0" : bounds[0]
    pieces.append(hasComma ? "{\(lower),\(bounds[1])}" : "{\(lower)}")
    if peek() == "?", hasComma {
      position += 1
      pieces.append("?")
    } else if let suffix = peek(), suffix == "+" || suffix == "?" {
      pieces.insert("(?:", at: atom)
      pieces.append(")")
    }
  }

  // MARK: Escapes

  private mutating func parseEscape() throws(RegexError) {
    let scalar = try next()
    if let set = try parseSet(after: scalar, word: Self.word) {
      emit(set.expression)
      return
    }
    switch scalar {
    case "b":
      emit("(?:(?<=[\(Self.word)])(?![\(Self.word)])|(?<![\(Self.word)])(?=[\(Self.word)]))")
    case "B":
      emit("(?:(?<=[\(Self.word)])(?=[\(Self.word)])|(?<![\(Self.word)])(?![\(Self.word)]))")
    case "A", "z", "Z", "G", "K", "R", "X", "k", "1"..."9": emit("\\\(Character(scalar))")
    default: emit(Self.literal(try parseLiteral(after: scalar)))
    }
  }

  /// The character that an escape stands for, inside and outside of classes.
  private mutating func parseLiteral(after scalar: Unicode.Scalar) throws(RegexError)
    -> Unicode.Scalar
  {
    switch scalar {
    case "n": return "\n"
    case "r": return "\r"
    case "t": return "\t"
    case "f": return "\u{C}"
    case "v": return "\u{B}"
    case "a": return "\u{7}"
    case "e": return "\u{1B}"
    case "0": return "\0"
    case "u": return try parseHex(digits: 4, limit: 0xFFFF)
    case "x":
      guard peek() == "{" else { return try parseHex(digits: 2, limit: 0x7F) }
      position += 1
      let value = try parseHex(digits: 6, limit: 0x10FFFF)
      guard try next() == "}" else { throw unsupported("\\x{} with more than one character") }
      return value
    case "a"..."z", "A"..."Z", "1"..."9": throw unsupported("\\\(Character(scalar))")
    default: return scalar
    }
  }

  private mutating func parseHex(digits: Int, limit: UInt32) throws(RegexError) -> Unicode.Scalar {
    var value: UInt32 = 0
    var count = 0
    while count < digits, let scalar = peek(), scalar.isASCII,
      let digit = Character(scalar).hexDigitValue
    {
      value = value << 4 | UInt32(digit)
      position += 1
      count += 1
    }
    guard count > 0, value <= limit, let scalar = Unicode.Scalar(value) else {
      throw unsupported("this hexadecimal escape")
    }
    return scalar
  }

  private static func literal(_ scalar: Unicode.Scalar) -> String {
    "\\x{\(String(scalar.value, radix: 16))}"
  }

  /// `\s`, `\w`, `\d`, `\h`, `\p{...}` and their complements; nil when the escape is no set.
  private mutating func parseSet(
    after scalar: Unicode.Scalar, word: String
  ) throws(RegexError) -> CharacterSet? {
    switch scalar {
    case "s", "S": return CharacterSet("\\p{White_Space}", negated: scalar == "S")
    case "w", "W": return CharacterSet(word, negated: scalar == "W")
    case "d", "D": return CharacterSet(Self.property("Nd"), negated: scalar == "D")
    case "h", "H": return CharacterSet("0-9A-Fa-f", negated: scalar == "H")
    case "p", "P":
      guard try next() == "{" else { throw unsupported("\\p without braces") }
      var negated = scalar == "P"
      if peek() == "^" {
        position += 1
        negated.toggle()
      }
      var name = ""
      while true {
        let scalar = try next()
        if scalar == "}" { break }
        name.unicodeScalars.append(scalar)
      }
      return CharacterSet(try Self.named(name, bracket: false), negated: negated)
    default: return nil
    }
  }

  // MARK: Classes

  /// A set of characters: class text of PCRE2, perhaps complemented, and sets whose complements it
  /// also holds (PCRE2 cannot write the complement of a union inside a class).
  private struct CharacterSet {
    var text: String
    var negated: Bool
    var complements: [String] = []

    init(_ text: String, negated: Bool) {
      self.text = text
      self.negated = negated
    }

    var expression: String {
      let items = text.isEmpty ? "" : negated ? "[^\(text)]" : "[\(text)]"
      if complements.isEmpty { return items.isEmpty ? negated ? "(?s:.)" : "(?!)" : items }
      if negated {
        let others = complements.map { "(?=[\($0)])" }.joined()
        return "(?:\(others)\(items.isEmpty ? "(?s:.)" : items))"
      }
      let others = complements.map { "[^\($0)]" }
      return "(?:\((items.isEmpty ? others : [items] + others).joined(separator: "|")))"
    }
  }

  private mutating func parseClass(depth: Int = 0) throws(RegexError) -> CharacterSet {
    guard depth < 16 else { throw unsupported("deep nesting of classes") }
    var set = CharacterSet("", negated: peek() == "^")
    if set.negated { position += 1 }
    var isFirst = true
    while true {
      let scalar = try next()
      switch scalar {
      case "]" where !isFirst: return set
      case "&" where peek() == "&": throw unsupported("&& in a class")
      case "[":
        if let bracket = try parsePosixBracket() {
          try add(bracket, to: &set)
        } else {
          try add(try parseClass(depth: depth + 1), to: &set)
        }
      case "\\":
        let escaped = try next()
        if let inner = try parseSet(after: escaped, word: Self.wordInClass) {
          try add(inner, to: &set)
        } else {
          try addRange(from: escaped == "b" ? "\u{8}" : parseLiteral(after: escaped), to: &set)
        }
      default: try addRange(from: scalar, to: &set)
      }
      isFirst = false
    }
  }

  private func add(_ inner: CharacterSet, to set: inout CharacterSet) throws(RegexError) {
    guard inner.complements.isEmpty else { throw unsupported("this nesting of classes") }
    if inner.negated {
      set.complements.append(inner.text)
    } else {
      set.text += inner.text
    }
  }

  /// One character, or a range when `-` and another character follow.
  private mutating func addRange(
    from first: Unicode.Scalar, to set: inout CharacterSet
  ) throws(RegexError) {
    set.text += Self.literal(first)
    guard peek() == "-", let after = peek(1), after != "]", after != "[" else { return }
    let start = position
    position += 1
    var last = try next()
    if last == "\\" {
      let escaped = try next()
      if "sSwWdDhHpP".unicodeScalars.contains(escaped) {
        position = start
        return
      }
      last = try parseLiteral(after: escaped)
    }
    guard first <= last else { throw RegexError(reason: "empty range in a class") }
    set.text += "-" + Self.literal(last)
  }

  /// `[:name:]` and `[:^name:]`; nil when the bracket opens a nested class.
  private mutating func parsePosixBracket() throws(RegexError) -> CharacterSet? {
    guard peek() == ":" else { return nil }
    var end = position + 1
    while end < input.count, input[end].properties.isAlphabetic || input[end] == "^" { end += 1 }
    guard end + 1 < input.count, input[end] == ":", input[end + 1] == "]" else { return nil }
    var name = String(String.UnicodeScalarView(input[(position + 1)..<end]))
    let negated = name.hasPrefix("^")
    if negated { name.removeFirst() }
    position = end + 2
    return CharacterSet(try Self.named(name, bracket: true), negated: negated)
  }
}

// MARK: - Properties

extension RegexPattern {
  /// Class text of a property in PCRE2, with what Oniguruma's newer Unicode adds.
  private static func property(_ name: String) -> String {
    "\\p{\(name)}" + (RegexUnicode.additions[name] ?? "")
  }

  /// `\w` inside a class: PCRE2's own leaves out marks and connectors and takes in all numbers.
  private static let wordInClass = ["Alphabetic", "M", "Nd", "Pc"].map(property).joined()

  /// `\w` outside of classes, where Oniguruma also takes the superscripts and fractions of Latin-1.
  private static let word = wordInClass + #"\x{b2}\x{b3}\x{b9}\x{bc}-\x{be}"#

  /// Names of a general category, short ones as PCRE2 spells them.
  private static let categories: [String: String] = {
    let short = [
      "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc",
      "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "C",
      "Cc", "Cf", "Cn", "Co",
    ]
    var names = [
      "letter": "L", "uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt",
      "modifierletter": "Lm", "otherletter": "Lo", "mark": "M", "nonspacingmark": "Mn",
      "spacingmark": "Mc", "enclosingmark": "Me", "number": "N", "decimalnumber": "Nd",
      "letternumber": "Nl", "othernumber": "No", "punctuation": "P", "connectorpunctuation": "Pc",
      "dashpunctuation": "Pd", "openpunctuation": "Ps", "closepunctuation": "Pe",
      "initialpunctuation": "Pi", "finalpunctuation": "Pf", "otherpunctuation": "Po",
      "symbol": "S", "mathsymbol": "Sm", "currencysymbol": "Sc", "modifiersymbol": "Sk",
      "othersymbol": "So", "separator": "Z", "spaceseparator": "Zs", "lineseparator": "Zl",
      "paragraphseparator": "Zp", "other": "C", "control": "Cc", "format": "Cf",
      "unassigned": "Cn", "privateuse": "Co", "digit": "Nd", "cntrl": "Cc", "punct": "P",
      "alpha": "Alphabetic", "alphabetic": "Alphabetic", "upper": "Uppercase",
      "uppercase": "Uppercase", "lower": "Lowercase", "lowercase": "Lowercase",
      "space": "White_Space", "whitespace": "White_Space",
    ]
    for name in short { names[name.lowercased()] = name }
    return names
  }()

  /// Class text of a property or bracket name. Oniguruma ignores case, spaces, `_` and `-`.
  private static func named(_ name: String, bracket: Bool) throws(RegexError) -> String {
    let plain = name.lowercased().filter { !" _-".contains($0) }
    guard !plain.isEmpty, plain.utf8.allSatisfy({ (0x61...0x7A).contains($0) }) else {
      throw RegexError(reason: "regular expression: unknown property \"\(name)\"")
    }
    switch plain {
    case "punct" where bracket: return property("P") + property("S")
    case "word": return bracket ? wordInClass : word
    case "alnum": return property("Alphabetic") + property("Nd")
    case "xdigit": return "0-9A-Fa-f"
    case "any": return "\\x{0}-\\x{10ffff}"
    default: break
    }
    if let category = categories[plain] { return property(category) }
    guard !bracket else { throw RegexError(reason: "unknown bracket [:\(name):]") }
    // A script; the plain name would mean its script extensions to PCRE2.
    return property("sc:" + plain.prefix(1).uppercased() + plain.dropFirst())
  }
}
