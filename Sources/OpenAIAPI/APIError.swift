// A refusal in the words of the OpenAI API, and the words for refusals of the HTTP layer.

import HTTP
import JSON
import Serving

/// Why a request is refused. The shape of the answer's body is that of the OpenAI API
/// (platform.openai.com/docs/guides/error-codes): `{"error": {message, type, param, code}}`.
package struct APIError: Error, Equatable {
  package var status: Int
  package var message: String
  /// The field that is at fault.
  package var param: String?
  /// What went wrong, for programs.
  package var code: String?
  package var headers: Headers = [:]

  static func invalid(_ param: String?, _ message: String, code: String? = nil) -> APIError {
    APIError(status: 400, message: message, param: param, code: code)
  }

  static func modelNotFound(_ name: String) -> APIError {
    APIError(
      status: 404, message: "The model `\(quoted(name))` does not exist.", param: "model",
      code: "model_not_found")
  }

  static func nothing(at path: String) -> APIError {
    APIError(status: 404, message: "There is nothing at `\(quoted(path))`.", code: "not_found")
  }

  static func methodNotAllowed(_ request: Request, allowed: String) -> APIError {
    APIError(
      status: 405, message: "`\(request.path)` takes \(allowed), not \(request.method.rawValue).",
      code: "method_not_allowed", headers: ["Allow": allowed])
  }

  static func contextLengthExceeded(_ param: String, _ message: String) -> APIError {
    .invalid(param, message, code: "context_length_exceeded")
  }

  /// Why the engine did not take a request whose prompt came from `param`.
  init(_ error: ServingError, param: String) {
    switch error {
    case .contextExceeded:
      self = .contextLengthExceeded(param, "\(error)")
    case .engineFailed:
      self.init(status: 500, message: "The request failed: \(error).", code: "engine_failed")
    case .queueFull(_, let seconds):
      self.init(
        status: 429, message: "The server is busy: \(error).", code: "rate_limit_exceeded",
        headers: ["Retry-After": "\(seconds)"])
    }
  }

  /// The engine gave no answer, or not all of it.
  init(_ failure: PassFailure) {
    self.init(status: 500, message: "The request failed: \(failure).", code: "engine_failed")
  }

  init(
    status: Int, message: String, param: String? = nil, code: String? = nil, headers: Headers = [:]
  ) {
    self.status = status
    self.message = message
    self.param = param
    self.code = code
    self.headers = headers
  }

  var response: Response {
    var headers = headers
    headers.append("Content-Type", "application/json")
    return Response(status: status, headers: headers, body: body)
  }

  private var body: [UInt8] {
    let error: JSONValue = [
      "message": .string(message), "type": .string(Self.type(status)),
      "param": .optional(param), "code": .optional(code),
    ]
    return JSONValue.object(["error": error]).serialized()
  }

  /// What ends a stream that cannot go on: an event that clients take for an error (the OpenAI
  /// clients raise it; vLLM sends the same), and the end mark.
  var streamEnd: [UInt8] {
    ServerSentEvents.event(data: body) + ServerSentEvents.event(data: Array("[DONE]".utf8))
  }

  private static func type(_ status: Int) -> String {
    switch status {
    case 429: "rate_limit_error"
    case 500, 503: "server_error"
    default: "invalid_request_error"
    }
  }

  /// Text of a client as an error message repeats it: not without end.
  static func quoted(_ text: String) -> String {
    guard text.utf8.count > APILimits.quotedBytes else { return text }
    return String(decoding: text.utf8.prefix(APILimits.quotedBytes), as: UTF8.self) + "..."
  }
}

/// The HTTP layer's own refusals, in the same shape.
public let openAIErrorFormat = ErrorFormat(contentType: "application/json") { status, message in
  APIError(status: status, message: message).response.body
}
