// The door out of the engine: one bounded queue per sequence.

import Synchronization

/// Events of one sequence, from the engine's thread to its reader.
///
/// The queue is bounded by what was asked for: a sequence cannot send more events than it has
/// tokens of the prompt to score and of the answer, so the engine never waits for a reader.
public final class TokenStream: Sendable {
  private struct State {
    var events: [GenerationEvent] = []
    var sent = 0
    var timings = GenerationTimings(submitted: 0)
  }

  private let state = Mutex(State())
  private let capacity: Int
  private let notify: @Sendable () -> Void
  private let cancelled: @Sendable () -> Void

  /// - Parameters:
  ///   - notify: called on the engine's thread when events wait that did not before.
  ///   - cancelled: called when the reader loses interest.
  package init(
    capacity: Int, notify: @escaping @Sendable () -> Void,
    cancelled: @escaping @Sendable () -> Void
  ) {
    self.capacity = capacity
    self.notify = notify
    self.cancelled = cancelled
    state.withLock { $0.events.reserveCapacity(Self.usualBacklog) }
  }

  /// Events that wait without the queue's growing: enough for a reader that keeps up.
  private static let usualBacklog = 32

  /// Called by the inbox, before the engine knows of the stream.
  func begin(at time: UInt64) {
    state.withLock { $0.timings = GenerationTimings(submitted: time) }
  }

  /// Called by the engine.
  /// - Parameter time: nanoseconds of the engine's clock.
  func send(_ event: GenerationEvent, at time: UInt64) {
    let wasEmpty = state.withLock { state in
      precondition(state.sent < capacity, "more events than the request can have")
      state.sent += 1
      state.events.append(event)
      state.timings.note(event, at: time)
      return state.events.count == 1
    }
    if wasEmpty { notify() }
  }

  /// Takes all events that wait.
  public func drain() -> [GenerationEvent] {
    var events: [GenerationEvent] = []
    events.reserveCapacity(Self.usualBacklog)
    state.withLock { swap(&events, &$0.events) }
    return events
  }

  /// When what happened so far, as far as the engine is; final with the last event.
  public var timings: GenerationTimings { state.withLock { $0.timings } }

  /// Ends the sequence: nothing more is computed for it. May be called at any time.
  public func cancel() { cancelled() }
}
