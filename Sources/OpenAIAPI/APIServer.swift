// The routes: which request goes to which handler, and refusals of everything else.

import Glibc
import HTTP
import JSON
import Serving

/// The OpenAI-style API over one model with the extensions that vLLM's clients use.
public struct APIServer: AdmittedRequestHandler {
  private let model: ServedModel
  private let card: ModelCard
  private let host: HostMetrics

  /// An API over a model whose engine runs.
  /// - Parameter host: what the program adds to scrapes.
  public init(model: ServedModel, host: HostMetrics = .none) {
    self.model = model
    self.host = host
    card = ModelCard(model: model, created: time(nil))
  }

  public func handle(
    _ head: Request, _ responder: Responder, _ admission: Admission
  ) -> BodyHandler? {
    do throws(APIError) {
      switch try endpoint(head) {
      case .metrics: responder.send(metrics)
      case .options(let methods):
        responder.send(Response(status: 204, headers: ["Allow": methods]))
      case .models: responder.send(Response(json: card.list))
      case .model(let path): responder.send(Response(json: try card.json(path: path)))
      case .action(let action):
        try checkType(head)
        return { answer($0, action, responder, admission) }
      }
    } catch {
      responder.send(error.response)
    }
    return nil
  }

  /// Does what a body asks for.
  private func answer(
    _ request: Request, _ action: Action, _ responder: Responder, _ admission: Admission
  ) {
    do throws(APIError) {
      let body = try body(request)
      switch action {
      case .tokenize:
        responder.send(Response(json: try TokenizeHandler(model: model).tokenize(body)))
      case .detokenize:
        responder.send(Response(json: try TokenizeHandler(model: model).detokenize(body)))
      case .completions:
        try CompletionHandler(model: model).handle(body, responder, admission)
      case .chatCompletions:
        try ChatHandler(model: model).handle(body, responder, admission)
      }
    } catch {
      responder.send(error.response)
    }
  }

  // MARK: - Routes

  /// What takes a body.
  private enum Action {
    case tokenize
    case detokenize
    case completions
    case chatCompletions
  }

  private enum Endpoint {
    case metrics
    case models
    case model(Substring)
    case action(Action)
    /// Which methods there are (RFC 9110, section 9.3.7).
    case options(String)
  }

  private func endpoint(_ request: Request) throws(APIError) -> Endpoint {
    let endpoint: Endpoint
    switch request.path {
    case "*": return .options("GET, HEAD, POST, OPTIONS")
    case "/metrics": endpoint = .metrics
    case "/v1/models": endpoint = .models
    case "/tokenize": endpoint = .action(.tokenize)
    case "/detokenize": endpoint = .action(.detokenize)
    case "/v1/completions": endpoint = .action(.completions)
    case "/v1/chat/completions": endpoint = .action(.chatCompletions)
    case let path where path.hasPrefix("/v1/models/"):
      endpoint = .model(path.dropFirst("/v1/models/".count))
    case let path:
      throw .nothing(at: path)
    }
    let allowed: [Method] =
      switch endpoint {
      case .metrics, .models, .model: [.get, .head, .options]
      case .action: [.post, .options]
      case .options: []
      }
    let methods = allowed.map(\.rawValue).joined(separator: ", ")
    guard allowed.contains(request.method) else {
      throw .methodNotAllowed(request, allowed: methods)
    }
    return request.method == .options ? .options(methods) : endpoint
  }

  private func checkType(_ request: Request) throws(APIError) {
    let type = request.headers["content-type"].map { $0.prefix { $0 != ";" && $0 != " " } }
    guard type == nil || type?.lowercased() == "application/json" else {
      throw APIError(
        status: 415, message: "The Content-Type must be application/json.",
        code: "unsupported_media_type")
    }
  }

  private func body(_ request: Request) throws(APIError) -> JSONValue {
    let bytes = try content(request)
    do {
      return try JSONValue(parsing: bytes, limits: JSONLimits(depth: APILimits.jsonDepth))
    } catch {
      throw .invalid(nil, "The body is \(error).", code: "invalid_json")
    }
  }

  private func content(_ request: Request) throws(APIError) -> [UInt8] {
    do {
      return try request.decodedBody(limit: APILimits.bodyBytes)
    } catch {
      let isUnknown = error.status == 415
      throw APIError(
        status: error.status, message: "The request cannot be read: \(error.message).",
        code: isUnknown ? "unsupported_content_encoding" : "invalid_content_encoding",
        headers: isUnknown ? ["Accept-Encoding": Request.acceptedEncodings] : [:])
    }
  }

  private var metrics: Response {
    Response(
      status: 200, contentType: PrometheusText.contentType,
      body: Array(MetricsReport(model, host: host).text.utf8))
  }
}
