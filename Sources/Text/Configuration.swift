// What tokenizer_config.json says about the tokens around a text and about chat.

import JSON

/// The members of tokenizer_config.json that matter here; all absent without the file.
struct Configuration {
  var beginToken: String?
  var endToken: String?
  var chatTemplate: String?
  private var addsBeginToken: Bool?
  private var addsEndToken: Bool?

  init(_ reader: FieldReader?) throws(TextError) {
    guard let reader else { return }
    beginToken = try Self.token("bos_token", reader)
    endToken = try Self.token("eos_token", reader)
    chatTemplate = try Self.template(reader)
    if reader.object["add_bos_token"] != nil {
      addsBeginToken = try reader.bool("add_bos_token", default: false)
    }
    if reader.object["add_eos_token"] != nil {
      addsEndToken = try reader.bool("add_eos_token", default: false)
    }
  }

  /// A token is its content, or an object with a member `content`.
  private static func token(_ key: String, _ reader: FieldReader) throws(TextError) -> String? {
    if reader[key]?.objectValue != nil { return try reader.reader(key)?.requiredString("content") }
    return try reader.string(key)
  }

  /// One template, or several with names, of which "default" is meant.
  private static func template(_ reader: FieldReader) throws(TextError) -> String? {
    switch reader["chat_template"] {
    case nil: return nil
    case .string(let template): return template
    default:
      for named in try reader.elements("chat_template")
      where try named.requiredString("name") == "default" {
        return named["template"]?.stringValue
      }
      return nil
    }
  }

  /// The tokens around a text where this file decides about them; nil leaves it to tokenizer.json.
  func postProcessor(begin: Int32?, end: Int32?) throws(TextError) -> PostProcessor? {
    guard addsBeginToken != nil || addsEndToken != nil else { return nil }
    return PostProcessor(
      prefix: try Self.tokens(addsBeginToken, beginToken, begin, "bos_token"),
      suffix: try Self.tokens(addsEndToken, endToken, end, "eos_token"))
  }

  private static func tokens(
    _ adds: Bool?, _ content: String?, _ id: Int32?, _ key: String
  ) throws(TextError) -> [Int32] {
    guard adds == true, content != nil else { return [] }
    guard let id else {
      throw .invalid(path: "tokenizer_config.json: \(key)", expected: "a token of the vocabulary")
    }
    return [id]
  }
}
