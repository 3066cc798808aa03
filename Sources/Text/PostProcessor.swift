// The `post_processor` of a tokenizer file: the special tokens put around an encoded text. Follows
// tokenizers/src/processors of Hugging Face `tokenizers`, for one text (never a pair).

import JSON

/// Templates applied one after another; what one makes is the text of the next.
struct PostProcessor: Sendable {
  private enum Item: Sendable {
    case text
    case tokens([Int32])
  }

  private var templates: [[Item]] = []

  /// `prefix`, the text, `suffix`.
  init(prefix: [Int32], suffix: [Int32]) {
    templates = [[.tokens(prefix), .text, .tokens(suffix)]]
  }

  init(_ reader: FieldReader?) throws(TextError) {
    guard let reader else { return }
    try append(reader)
  }

  private mutating func append(_ reader: FieldReader) throws(TextError) {
    let type = try reader.typeOfStep(after: templates.count)
    switch type {
    case "ByteLevel": break
    case "Sequence":
      for element in try reader.elements("processors") { try append(element) }
    case "TemplateProcessing": templates.append(try Self.template(reader))
    case "BertProcessing", "RobertaProcessing":
      let begin = try Self.pairedToken("cls", reader)
      templates.append([.tokens([begin]), .text, .tokens([try Self.pairedToken("sep", reader)])])
    default: throw reader.unsupported("the post-processor \"\(type)\"")
    }
  }

  private static func template(_ reader: FieldReader) throws(TextError) -> [Item] {
    let specials = try reader.reader("special_tokens")
    var items: [Item] = []
    for element in try reader.elements("single") {
      if let token = try element.reader("SpecialToken") {
        guard let special = try specials?.reader(try token.requiredString("id")) else {
          throw token.invalid("id", "one of special_tokens")
        }
        var ids: [Int32] = []
        for value in try special.array("ids") { ids.append(try Self.token(value, special)) }
        items.append(.tokens(ids))
      } else if let sequence = try element.reader("Sequence") {
        guard try sequence.requiredString("id") == "A" else {
          throw sequence.unsupported("a sequence other than A for a single text")
        }
        guard !items.contains(where: { if case .text = $0 { true } else { false } }) else {
          throw sequence.unsupported("a sequence that occurs twice")
        }
        items.append(.text)
      } else {
        throw reader.invalid("single", "made of SpecialToken and Sequence")
      }
    }
    return items
  }

  private static func token(_ value: JSONValue, _ reader: FieldReader) throws(TextError) -> Int32 {
    guard let id = value.integerValue, (0..<TextLimits.tokens).contains(id) else {
      throw reader.invalid("ids", "token ids")
    }
    return Int32(id)
  }

  /// A member `["content", id]`.
  private static func pairedToken(_ key: String, _ reader: FieldReader) throws(TextError) -> Int32 {
    let pair = try reader.array(key)
    guard pair.count == 2 else { throw reader.invalid(key, "a token and its id") }
    return try token(pair[1], reader)
  }

  func process(_ tokens: [Int32]) -> [Int32] {
    var tokens = tokens
    for template in templates {
      var result: [Int32] = []
      for item in template {
        switch item {
        case .text: result.append(contentsOf: tokens)
        case .tokens(let ids): result.append(contentsOf: ids)
        }
      }
      tokens = result
    }
    return tokens
  }
}
