// The door out of the engine: one bounded queue per sequence.

import Synchronization

/// Events of one sequence, from the engine's thread to its reader.
///
/// The engine never waits for a reader: it sets a sequence aside whose events are not taken
/// (`EngineLimits.streamBacklog`). At the very most the queue holds what was asked for: a sequence
/// cannot send more events than it has tokens of the prompt to score and of the answer.
public final class TokenStream: Sendable {
  private struct State {
    var events: [GenerationEvent] = []
    var sent = 0
    var timings = GenerationTimings(submitted: 0)
    /// Whether the sequence is set aside until events are taken.
    var isPaused = false
  }

  private let state = Mutex(State())
  private let capacity: Int
  private let notify: @Sendable () -> Void
  private let cancelled: @Sendable () -> Void
  private let resumed: @Sendable () -> Void

  /// - Parameters:
  ///   - notify: called on the engine's thread when events wait that did not before.
  ///   - cancelled: called when the reader loses interest.
  ///   - resumed: called when the reader has taken the events of a paused sequence.
  package init(
    capacity: Int, notify: @escaping @Sendable () -> Void,
    cancelled: @escaping @Sendable () -> Void, resumed: @escaping @Sendable () -> Void
  ) {
    self.capacity = capacity
    self.notify = notify
    self.cancelled = cancelled
    self.resumed = resumed
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
    let wasPaused = state.withLock { state in
      swap(&events, &state.events)
      defer { state.isPaused = false }
      return state.isPaused
    }
    if wasPaused { resumed() }
    return events
  }

  /// When what happened so far, as far as the engine is; final with the last event.
  public var timings: GenerationTimings { state.withLock { $0.timings } }

  /// Called by the engine: whether so many events wait that the sequence is to be set aside. It is
  /// then told by `resumed` when it may go on.
  func pause(backlog: Int) -> Bool {
    state.withLock { state in
      guard state.events.count >= backlog else { return false }
      state.isPaused = true
      return true
    }
  }

  /// Ends the sequence: nothing more is computed for it. May be called at any time.
  public func cancel() { cancelled() }
}
