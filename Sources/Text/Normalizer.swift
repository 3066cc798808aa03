// The `normalizer` of a tokenizer file: changes to the text before it is split. Each step follows
// the file of that name under tokenizers/src/normalizers of Hugging Face `tokenizers`.

import Foundation
import JSON

/// The steps of a normalizer in order; empty when there is none.
struct Normalizer: Sendable {
  private enum Form: String {
    case nfc = "NFC"
    case nfd = "NFD"
    case nfkc = "NFKC"
    case nfkd = "NFKD"
  }

  private enum Step: Sendable {
    case form(Form)
    case lowercase
    case stripAccents
    case strip(left: Bool, right: Bool)
    case prepend([UInt8])
    case replace(Regex, [UInt8])
    case byteLevel
  }

  private var steps: [Step] = []

  var isIdentity: Bool { steps.isEmpty }

  init(_ reader: FieldReader?) throws(TextError) {
    guard let reader else { return }
    try append(reader)
  }

  private mutating func append(_ reader: FieldReader) throws(TextError) {
    let type = try reader.typeOfStep(after: steps.count)
    switch type {
    case "Sequence":
      for element in try reader.elements("normalizers") { try append(element) }
    case "Lowercase": steps.append(.lowercase)
    case "StripAccents": steps.append(.stripAccents)
    case "ByteLevel": steps.append(.byteLevel)
    case "Prepend": steps.append(.prepend(Array(try reader.requiredString("prepend").utf8)))
    case "Strip":
      let left = try reader.bool("strip_left", default: true)
      steps.append(.strip(left: left, right: try reader.bool("strip_right", default: true)))
    case "Replace":
      steps.append(.replace(try reader.pattern(), Array(try reader.requiredString("content").utf8)))
    default:
      guard let form = Form(rawValue: type) else {
        throw reader.unsupported("the normalizer \"\(type)\"")
      }
      steps.append(.form(form))
    }
  }

  /// `text` (UTF-8) after all steps.
  func normalize(_ text: [UInt8], matcher: borrowing RegexMatcher) -> [UInt8] {
    var text = text
    for step in steps { text = Self.apply(step, to: text, matcher: matcher) }
    return text
  }

  private static func apply(
    _ step: Step, to text: [UInt8], matcher: borrowing RegexMatcher
  ) -> [UInt8] {
    switch step {
    case .form(let form):
      return text.allSatisfy { $0 < 0x80 } ? text : Array(Self.apply(form, to: text).utf8)
    case .lowercase:
      return mapScalars(text) { $1.append(contentsOf: $0.properties.lowercaseMapping.utf8) }
    case .stripAccents:
      return mapScalars(text) { if !isMark($0) { $1.append(contentsOf: UTF8.encode($0)!) } }
    case .strip(let left, let right):
      var scalars = Substring.UnicodeScalarView(
        String(decoding: text, as: UTF8.self).unicodeScalars)
      if left { scalars = scalars.drop { $0.properties.isWhitespace } }
      while right, scalars.last?.properties.isWhitespace == true { scalars.removeLast() }
      return Array(String(scalars).utf8)
    case .prepend(let prefix): return text.isEmpty ? text : prefix + text
    case .replace(let regex, let content):
      return replaceMatches(of: regex, in: text, with: content, matcher: matcher)
    case .byteLevel:
      var output: [UInt8] = []
      ByteAlphabet.encode(text, to: &output)
      return output
    }
  }

  private static func apply(_ form: Form, to text: [UInt8]) -> String {
    let string = String(decoding: text, as: UTF8.self)
    return switch form {
    case .nfc: string.precomposedStringWithCanonicalMapping
    case .nfd: string.decomposedStringWithCanonicalMapping
    case .nfkc: string.precomposedStringWithCompatibilityMapping
    case .nfkd: string.decomposedStringWithCompatibilityMapping
    }
  }

  private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: true
    default: false
    }
  }

  private static func mapScalars(
    _ text: [UInt8], _ body: (Unicode.Scalar, inout [UInt8]) -> Void
  ) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    for scalar in String(decoding: text, as: UTF8.self).unicodeScalars { body(scalar, &output) }
    return output
  }

  /// Every match replaced by `content` as it stands.
  static func replaceMatches(
    of regex: Regex, in text: [UInt8], with content: [UInt8], matcher: borrowing RegexMatcher
  ) -> [UInt8] {
    var output: [UInt8] = []
    var copied = 0
    matcher.forEachMatch(of: regex, in: text, 0..<text.count) { match in
      output.append(contentsOf: text[copied..<match.lowerBound])
      output.append(contentsOf: content)
      copied = match.upperBound
    }
    output.append(contentsOf: text[copied...])
    return output
  }
}
