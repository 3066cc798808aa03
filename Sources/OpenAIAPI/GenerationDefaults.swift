// The checkpoint's own sampling parameters.

import JSON

/// The sampling parameters of a checkpoint's `generation_config.json` that vLLM takes as defaults;
/// nil where the file says nothing.
public struct GenerationDefaults: Sendable, Equatable {
  /// Sampling parameters of the same names.
  public var temperature: Double?
  public var topP: Double?
  public var topK: Int?
  public var minP: Double?
  public var repetitionPenalty: Double?
  /// Answer length of chat requests that do not say.
  public var maxNewTokens: Int?
  /// End-of-sequence ids, one or several.
  public var endTokens: [Int32]?

  /// No defaults at all.
  public init() {}

  /// Reads the parsed file. Other members belong to other programs and are not looked at.
  /// - Throws: when a value is of a wrong type or out of the range a request may give.
  public init(json: JSONValue) throws(GenerationDefaultsError) {
    guard json.objectValue != nil else {
      throw GenerationDefaultsError(reason: "must be an object, not \(json.kind)")
    }
    do {
      var fields = try RequestFields(json)
      temperature = try fields.number("temperature", in: APILimits.temperature)
      topP = try fields.number("top_p", in: APILimits.share)
      topK = try fields.integer("top_k", in: -1...Int.max)
      minP = try fields.number("min_p", in: APILimits.share)
      repetitionPenalty = try fields.number(
        "repetition_penalty", in: APILimits.repetitionPenalty)
      maxNewTokens = try fields.integer("max_new_tokens", in: 1...Int.max)
      endTokens = try Self.endTokens(&fields)
    } catch {
      throw GenerationDefaultsError(reason: error.message)
    }
  }

  private static func endTokens(_ fields: inout RequestFields) throws(APIError) -> [Int32]? {
    let key = "eos_token_id"
    guard let value = fields.value(key) else { return nil }
    var tokens: [Int32] = []
    for element in value.arrayValue ?? [value] {
      guard let token = element.integerValue.flatMap({ Int32(exactly: $0) }), token >= 0 else {
        throw fields.invalid(key, "must be a token id or an array of token ids")
      }
      tokens.append(token)
    }
    return tokens
  }
}

/// Why a `generation_config.json` is not acceptable.
public struct GenerationDefaultsError: Error, Equatable, CustomStringConvertible {
  /// Which member is wrong, and how.
  public let reason: String

  public var description: String { "generation_config.json: \(reason)" }
}
