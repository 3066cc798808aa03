// The order of an end: asked once the server drains, asked twice it goes at once. Pure.

/// What happens between the first signal and the exit.
public struct ShutdownSequence: Sendable {
  /// What the shell has to do.
  public enum Action: Sendable, Equatable {
    /// Say to all that ask that no further requests are wanted, and go on serving.
    case announce
    /// Call `delayIsOver` after so many seconds.
    case wait(seconds: Int)
    /// Accept nobody any more, give running answers so many seconds, then call `isDrained`.
    case stop(seconds: Int)
    case exit(isOrderly: Bool)
  }

  private enum Phase { case running, announced, stopping, over }

  private let delaySeconds: Int
  private let drainSeconds: Int
  private var phase = Phase.running
  private var isFailure = false

  /// - Parameters:
  ///   - delaySeconds: before the server stops to accept, for those who have yet to hear of it.
  ///   - drainSeconds: for running answers.
  public init(delaySeconds: Int, drainSeconds: Int) {
    self.delaySeconds = delaySeconds
    self.drainSeconds = drainSeconds
  }

  /// Somebody asks the process to end.
  public mutating func receiveSignal() -> [Action] {
    guard phase == .running else {
      phase = .over
      return [.exit(isOrderly: false)]
    }
    guard delaySeconds > 0 else { return [.announce] + stop(seconds: drainSeconds) }
    phase = .announced
    return [.announce, .wait(seconds: delaySeconds)]
  }

  /// The engine is lost: what it still had to say is sent, and that is all.
  public mutating func receiveFailure(seconds: Int) -> [Action] {
    guard phase == .running || phase == .announced else { return [] }
    isFailure = true
    return [.announce] + stop(seconds: seconds)
  }

  public mutating func delayIsOver() -> [Action] {
    phase == .announced ? stop(seconds: drainSeconds) : []
  }

  /// No connection is left.
  public mutating func isDrained() -> [Action] {
    guard phase == .stopping else { return [] }
    phase = .over
    return [.exit(isOrderly: !isFailure)]
  }

  private mutating func stop(seconds: Int) -> [Action] {
    phase = .stopping
    return [.stop(seconds: seconds)]
  }
}
