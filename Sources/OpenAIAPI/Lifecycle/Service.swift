// The service from its start to its end: loading, ready, draining. All addresses share it.

import Dispatch
import HTTP
import JSON
import Serving
import Synchronization

/// What the server is up to. May be used from any thread.
public final class Service: Sendable {
  private struct State {
    var model: ServedModel?
    var api: APIServer?
    var progress = 0.0
    var isDraining = false
  }

  private let state = Mutex(State())
  /// All requests so far, those before the model was loaded included.
  public let requests = RequestCounts()
  private let stallSeconds: Double

  /// A service that is loading.
  /// - Parameter stallSeconds: that one step of the engine may last.
  public init(stallSeconds: Double = APILimits.stepSeconds) { self.stallSeconds = stallSeconds }

  /// A service that is ready.
  public convenience init(model: ServedModel) {
    self.init()
    begin(model)
  }

  /// How much of the model is loaded, from 0 to 1.
  public func report(progress: Double) {
    state.withLock { $0.progress = min(max(progress, 0), 1) }
  }

  /// The model is loaded: requests are answered from now on.
  /// - Parameter host: what the program adds to scrapes.
  public func begin(_ model: ServedModel, host: HostMetrics = .none) {
    let api = APIServer(model: model, host: host)
    state.withLock { state in
      state.model = model
      state.api = api
    }
  }

  /// No further requests are wanted: those that come are still answered, but `/ready` says so, and
  /// each is the last on its connection.
  public func drain() { state.withLock { $0.isDraining = true } }

  var isDraining: Bool { state.withLock { $0.isDraining } }
  var api: APIServer? { state.withLock { $0.api } }

  // MARK: - How it is doing

  /// Alive: always, but for an engine that is stuck in a step or has failed.
  var health: Response {
    let (model, isDraining) = state.withLock { ($0.model, $0.isDraining) }
    if let trouble = model.flatMap(trouble) { return trouble }
    if isDraining { return Response(json: ["status": "draining"]) }
    return Response(json: ["status": model == nil ? "loading" : "ok"])
  }

  /// Whether requests may be sent here.
  var readiness: Response {
    let (model, progress, isDraining) = state.withLock { ($0.model, $0.progress, $0.isDraining) }
    if isDraining { return Response(json: ["status": "draining"], status: 503) }
    guard let model else {
      let percent = (progress * 100).rounded() / 100
      return Response(json: ["status": "loading", "progress": .double(percent)], status: 503)
    }
    return trouble(model) ?? Response(json: ["status": "ready"])
  }

  private func trouble(_ model: ServedModel) -> Response? {
    if model.engine.failure != nil { return Response(json: ["status": "failed"], status: 503) }
    let age = model.engine.stepAge ?? 0
    guard age > stallSeconds else { return nil }
    return Response(json: ["status": "stalled", "step_seconds": .double(age)], status: 503)
  }
}
