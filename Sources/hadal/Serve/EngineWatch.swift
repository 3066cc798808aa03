// Looks at the engine every now and then: says where it is stuck, once for each stall, and ends the
// server when it is lost.

import Dispatch
import Logging
import OpenAIAPI
import Platform
import Serving

/// Watches while it lives.
///
/// Unchecked because everything is touched on `queue` alone.
final class EngineWatch: @unchecked Sendable {
  private let engine: EngineHandle
  private let log: Logger
  private let queue = DispatchQueue(label: "hadal.watch")
  private let onFailure: @Sendable () -> Void
  private var stalls: StallWatch
  private var timer: (any DispatchSourceTimer)?

  /// Seconds between looks.
  private static let interval = 0.5

  init(
    _ engine: EngineHandle, stallSeconds: Double, log: Logger,
    onFailure: @escaping @Sendable () -> Void
  ) {
    self.engine = engine
    self.log = log
    self.onFailure = onFailure
    stalls = StallWatch(limit: stallSeconds)
    let timer = DispatchSource.makeTimerSource(queue: queue)
    timer.schedule(deadline: .now() + Self.interval, repeating: Self.interval)
    timer.setEventHandler { [weak self] in self?.look() }
    self.timer = timer
    timer.activate()
  }

  deinit { timer?.cancel() }

  private func look() {
    if let failure = engine.failure {
      log.critical("the engine is lost", metadata: ["reason": "\(failure)"])
      timer?.cancel()
      onFailure()
      return
    }
    let age = engine.stepAge
    guard stalls.observe(age: age) else { return }
    log.error("the engine is stalled", metadata: ["step_seconds": "\(age ?? 0)"])
    for stack in ThreadStacks.capture() {
      let frames = stack.frames.enumerated().map { "\n  \($0): \($1)" }.joined()
      log.error("stack of thread \(stack.name):\(frames.isEmpty ? " it does not answer" : frames)")
    }
  }
}
