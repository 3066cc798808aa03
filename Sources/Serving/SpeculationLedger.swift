// What steps with drafts have cost beyond what plain decoding would have taken for the same tokens,
// and how much more they may: the last word on speculation.
//
// Costs by rows and acceptance by position say how many drafts should be best. Whatever is wrong
// with that, the time it loses is bounded: a small share of all time, and what may be spent at the
// start. All numbers of sequences share one account, since they come and go.

/// An account of seconds that drafts may lose.
struct SpeculationLedger {
  /// Seconds that may still be lost.
  private var credit = 0.0
  /// Whether it was used up, and has not grown enough since: until then there are no drafts.
  private(set) var isClosed = false
  /// What the engine does besides its passes, in steps without drafts and with them.
  private var plainExtra = Extra()
  private var draftedExtra = Extra()
  private var isOpened = false
  /// Whether there is as much credit as there can be.
  private var isFull = false

  /// Work that nobody measures by itself, as a share of the passes' seconds.
  private struct Extra {
    var share = 0.0
    private var steps = 0.0

    private static let memory = 64.0
    /// The system may suspend a step for long between its passes.
    private static let greatest = 4.0

    mutating func record(_ extra: Double, passes: Double) {
      steps = min(steps + 1, Self.memory)
      share += (min(extra / max(passes, 1e-9), Self.greatest) - share) / steps
    }
  }

  /// The share of all time that may be lost.
  private static let share = 0.004
  /// What may be lost at the start, one has to know something first, and the most that gains are
  /// good for; in plain steps.
  private static let most = 30.0
  /// The credit at which a closed account opens again.
  private static let least = 5.0

  /// Records what a step took besides its passes.
  mutating func recordExtra(_ extra: Double, passes: Double, hasDrafts: Bool) {
    if hasDrafts {
      draftedExtra.record(extra, passes: passes)
    } else {
      plainExtra.record(extra, passes: passes)
    }
  }

  /// Seconds of a step whose passes take so many.
  func whole(passes: Double, hasDrafts: Bool) -> Double {
    passes * (1 + (hasDrafts ? draftedExtra : plainExtra).share)
  }

  /// Whether something may be tried that seems to cost so many seconds. What seems to cost more
  /// than there ever is would never be tried, however wrong that is.
  func affords(_ seconds: Double) -> Bool { isFull || credit >= seconds }

  /// Accounts for a step.
  /// - Parameters:
  ///   - seconds: what it took.
  ///   - plainStep: what a plain step of as many sequences takes.
  ///   - gain: how many plain steps would have brought its tokens.
  mutating func settle(seconds: Double, plainStep: Double, gain: Double) {
    if !isOpened {
      isOpened = true
      credit = Self.most * plainStep
    }
    credit += Self.share * seconds + gain * plainStep - seconds
    isFull = credit >= Self.most * plainStep
    credit = min(credit, Self.most * plainStep)
    if credit < 0 { isClosed = true }
    if credit >= Self.least * plainStep { isClosed = false }
  }
}
