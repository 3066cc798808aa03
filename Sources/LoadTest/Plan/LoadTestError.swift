// Why a load test could not begin.

import HTTP
import Platform

/// Trouble before the first request.
public enum LoadTestError: Error, CustomStringConvertible {
  case platform(PlatformError)
  /// The file of authorities cannot be used.
  case tls(TLSError)
  /// The server's certificate is not believed.
  case untrusted(reason: String)
  /// The server was asked for its models, and gave no usable answer.
  case noModel(reason: String)

  public var description: String {
    switch self {
    case .platform(let error): "\(error)"
    case .tls(let error): "\(error)"
    case .untrusted(let reason):
      "\(reason); --ca names the authority that signed it, --insecure believes any"
    case .noModel(let reason):
      "the server was asked for its model at /v1/models: \(reason); "
        + "--model names one without asking"
    }
  }
}
