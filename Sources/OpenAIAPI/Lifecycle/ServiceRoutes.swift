// One address of the service: the routes that tell how it is doing, and the way to all others while
// there is something to answer them.

import HTTP

/// Answers `/health` and `/ready`, and passes other requests on once the model is loaded.
public struct ServiceRoutes: AdmittedRequestHandler {
  /// Which routes an address has.
  public enum Part: Sendable {
    case all
    /// What clients need: everything but the next.
    case api
    /// What those need who run the server: `/health`, `/ready` and `/metrics`.
    case operation
  }

  private let service: Service
  private let part: Part

  public init(_ service: Service, part: Part = .all) {
    self.service = service
    self.part = part
  }

  private static let operationPaths: Set<String> = ["/health", "/ready", "/metrics"]

  public func handle(
    _ request: Request, _ responder: Responder, _ admission: Admission
  ) -> BodyHandler? {
    if service.isDraining { responder.closeAfterAnswer() }
    do throws(APIError) {
      let isOperation = Self.operationPaths.contains(request.path)
      guard part == .all || (part == .operation) == isOperation else {
        throw .nothing(at: request.path)
      }
      switch request.path {
      case "/health": responder.send(try answer(request, service.health))
      case "/ready": responder.send(try answer(request, service.readiness))
      case "/metrics" where service.api == nil:
        // Nothing to tell yet, which is no failure of the scrape.
        let nothing = Response(status: 200, contentType: PrometheusText.contentType, body: [])
        responder.send(try answer(request, nothing))
      default:
        guard let api = service.api else { throw Self.loading }
        return api.handle(request, responder, admission)
      }
    } catch {
      responder.send(error.response)
    }
    return nil
  }

  private func answer(_ request: Request, _ response: Response) throws(APIError) -> Response {
    switch request.method {
    case .get, .head: response
    case .options: Response(status: 204, headers: ["Allow": "GET, HEAD, OPTIONS"])
    default: throw .methodNotAllowed(request, allowed: "GET, HEAD, OPTIONS")
    }
  }

  private static let loading = APIError(
    status: 503, message: "The model is still being loaded.", code: "model_loading",
    headers: ["Retry-After": "2"])
}
