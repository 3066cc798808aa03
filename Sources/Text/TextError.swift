// The one error type of this target, and every limit it sets on what it reads.

import JSON

/// Why a tokenizer cannot be used or a conversation cannot be rendered.
public enum TextError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The file is not acceptable JSON; `file` is "tokenizer.json" or "tokenizer_config.json".
  case malformed(file: String, reason: String)
  /// The value at `path` (keys joined by dots) is missing or of a wrong type.
  case invalid(path: String, expected: String)
  /// A component or option that is valid in the format but not supported here.
  case unsupported(path: String, what: String)
  /// A regular expression does not compile.
  case pattern(path: String, reason: String)
  /// More of something than the limit in `TextLimits`.
  case tooLarge(path: String, limit: Int)
  /// A chat message that the checkpoint's template has no rendering for.
  case message(index: Int, reason: String)

  public var description: String {
    switch self {
    case .malformed(let file, let reason): "\(file): \(reason)"
    case .invalid(let path, let expected): "tokenizer: \(path) must be \(expected)"
    case .unsupported(let path, let what): "tokenizer: \(path): \(what) is not supported"
    case .pattern(let path, let reason): "tokenizer: \(path): \(reason)"
    case .tooLarge(let path, let limit): "tokenizer: \(path) exceeds \(limit)"
    case .message(let index, let reason): "messages[\(index)]: \(reason)"
    }
  }
}

/// Limits on what a tokenizer file may ask for.
enum TextLimits {
  /// Token ids lie below this; tables are as long as the largest id.
  static let tokens = 1 << 22
  /// Bytes of all token contents together.
  static let contentBytes = 1 << 28
  /// Bytes of one added token, one pattern, one prefix.
  static let stringBytes = 1 << 12
  /// Steps of a normalizer, pre-tokenizer, post-processor or decoder.
  static let steps = 64
}
