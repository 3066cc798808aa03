// The one error of this target.

import Weights

/// Why a model cannot be used.
public enum DeepSeekError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A configuration key that is missing, unknown, or has a value this model cannot have.
  case configuration(key: String, reason: String)
  /// The checkpoint's files or tensors.
  case weights(WeightsError)
  /// What was packed before.
  case cache(PackedCacheError)

  public var description: String {
    switch self {
    case .configuration(let key, let reason): "config.json: \(key): \(reason)"
    case .weights(let error): error.description
    case .cache(let error): error.description
    }
  }
}
