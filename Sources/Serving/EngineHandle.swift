// The engine as the rest of the program sees it.

import DeepSeek
import Platform

/// Starts an engine on its own thread and passes requests to it. May be used from any thread.
public final class EngineHandle: Sendable {
  /// What the engine may use.
  public let limits: EngineLimits
  private let inbox: EngineInbox
  private let monitor = EngineMonitor()
  let model: any LanguageModel
  /// What its passes read; nil when that is not known.
  let work: ModelWork?
  private let thread: Thread

  /// - Throws: when the thread cannot be started.
  public init(model: some LanguageModel, limits: EngineLimits) throws(PlatformError) {
    let inbox = EngineInbox(queueLength: limits.queueLength)
    let monitor = monitor
    self.model = model
    work = model.passWork
    self.limits = limits
    self.inbox = inbox
    thread = try Thread(name: "engine") {
      model.adoptThread()
      Engine(model: model, limits: limits, inbox: inbox, monitor: monitor).run()
    }
  }

  deinit {
    inbox.stop()
    thread.join()
  }

  /// Queues a request. The stream sends nothing more when the handle is gone.
  /// - Parameter notify: called on the engine's thread when the stream has events again; it must
  ///   return at once.
  public func submit(
    _ request: GenerationRequest, notify: @escaping @Sendable () -> Void
  ) throws(ServingError) -> TokenStream {
    precondition(!request.prompt.isEmpty && request.maxTokens >= 0, "malformed request")
    guard request.maxTokens <= limits.contextLength - request.prompt.count else {
      throw .contextExceeded(
        prompt: request.prompt.count, maxTokens: request.maxTokens, limit: limits.contextLength)
    }
    let inbox = inbox
    return try inbox.submit(request) { id in
      // Each step scores at least one prompt token or sends one token; one event begins and one
      // ends it all.
      TokenStream(
        capacity: request.prompt.count + request.maxTokens + 2, notify: notify,
        cancelled: { inbox.cancel(id) }, resumed: { inbox.resume(id) })
    }
  }

  /// Seconds since the running step began; nil while the engine has nothing to do.
  public var stepAge: Double? { monitor.age }
  /// Why the engine ended of itself; nil while it lives.
  public var failure: PassFailure? { monitor.fatalFailure }
  /// What the engine has done so far.
  public var statistics: EngineStatistics { monitor.statistics }
  /// What the model's routers have done so far.
  public var expertLoads: [ExpertLoad] { model.expertLoads }
}
