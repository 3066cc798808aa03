// Tokens as answers name them.

import JSON
import Text

/// Names single tokens, by their text or by their id.
struct TokenText {
  let tokenizer: Tokenizer?
  /// vLLM's `return_tokens_as_token_ids`; also the only way to name tokens without a tokenizer.
  let asIDs: Bool

  /// Bytes that are no whole characters appear as U+FFFD, as in vLLM.
  func name(_ token: Int32) -> String {
    guard !asIDs, let bytes = tokenizer?.bytes(of: token) else { return "token_id:\(token)" }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The token's own bytes; null when nobody knows them.
  func bytes(_ token: Int32) -> JSONValue {
    guard let bytes = tokenizer?.bytes(of: token) else { return .null }
    return .array(bytes.map { .integer(Int($0)) })
  }
}
