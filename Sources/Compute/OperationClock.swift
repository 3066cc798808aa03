// Where the time of passes goes: a stopwatch with a name for each lap.

import Platform
import Synchronization

/// Adds up wall time by operation. The thread that computes says after each operation that it has
/// ended; the time since the end of the one before is the operation's. Allocates nothing.
public final class OperationClock: Sendable {
  private struct State {
    var nanoseconds: [UInt64]
    /// Number of the section's first operation.
    var section = 0
    var last = MonotonicClock.nanoseconds
  }

  private let state: Mutex<State>
  private let operationCount: Int

  /// Sections have the same operations; both are numbered from 0.
  public init(sections: Int, operations: Int) {
    operationCount = operations
    state = Mutex(State(nanoseconds: Array(repeating: 0, count: sections * operations)))
  }

  /// An operation has ended, and the next one begins.
  public func lap(_ operation: Int) {
    let now = MonotonicClock.nanoseconds
    state.withLock { state in
      state.nanoseconds[state.section + operation] &+= now &- state.last
      state.last = now
    }
  }

  /// Operations that end from now on are those of a section.
  public func enter(section: Int) {
    state.withLock { $0.section = section * operationCount }
  }

  /// Forgets all times; what comes next begins now.
  public func restart() {
    state.withLock { state in
      for operation in state.nanoseconds.indices { state.nanoseconds[operation] = 0 }
      state.last = MonotonicClock.nanoseconds
    }
  }

  /// Seconds of each operation since the last start, section by section.
  public var seconds: [Double] { state.withLock { $0.nanoseconds.map { Double($0) / 1e9 } } }
}
