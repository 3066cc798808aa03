// Why a load test could not begin.

import HTTP
import Platform

/// Trouble before the first request.
public enum LoadTestError: Error, CustomStringConvertible {
  case platform(PlatformError)
  /// The server was asked for its models, and gave no usable answer.
  case noModel(reason: String)

  public var description: String {
    switch self {
    case .platform(let error): "\(error)"
    case .noModel(let reason):
      "the server was asked for its model at /v1/models: \(reason); "
        + "--model names one without asking"
    }
  }
}
