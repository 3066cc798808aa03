// The one error of this target.

import Weights

/// Why a model cannot be used.
public enum DeepSeekError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A configuration key that is missing, unknown, or has a value this model cannot have.
  case configuration(file: String = "config.json", key: String, reason: String)
  /// The checkpoint's files or tensors.
  case weights(WeightsError)
  /// What was packed before.
  case cache(PackedCacheError)

  public var description: String {
    switch self {
    case .configuration(let file, let key, let reason): "\(file): \(key): \(reason)"
    case .weights(let error): error.description
    case .cache(let error): error.description
    }
  }

  /// The same in the words of the file that has the configuration.
  func inWords(of source: ConfigurationSource) -> DeepSeekError {
    guard case .configuration(_, let key, let reason) = self else { return self }
    return .configuration(file: source.file, key: source.name(of: key), reason: reason)
  }
}
