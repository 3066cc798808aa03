// What steps with drafts really brought, against steps without: the last word on speculation.
//
// Costs by rows and acceptance by position say how many drafts should be best, but a draft pass
// also costs what nobody measures by itself: it leaves other weights in the caches, and the engine
// has more to do around it. So whole steps are compared, for each number of sequences, and where
// drafts turn out slower there are none for a while, longer each time. Where they pay they pause
// now and then, so that there is something to compare with.

/// Compares whole steps with and without drafts, and says which steps are to have none.
struct SpeculationTrial {
  /// Tokens and seconds of the last steps of one kind.
  private struct Record {
    var tokens = 0.0
    var seconds = 0.0
    var steps = 0

    /// Steps that the sums remember, at least half of them.
    private static let memory = 256

    mutating func add(tokens count: Int, seconds duration: Double) {
      if steps == Self.memory {
        (tokens, seconds, steps) = (tokens / 2, seconds / 2, steps / 2)
      }
      tokens += Double(count)
      seconds += duration
      steps += 1
    }

    var rate: Double { tokens / max(seconds, 1e-12) }
  }

  private struct Entry {
    var plain = Record()
    var drafted = Record()
    /// Steps for which there are no drafts.
    var lockout = 0
    /// Trials in a row that failed.
    var failures = 0
  }

  /// By number of sequences.
  private var entries: [Entry]
  /// Steps that may have drafts until the next pause, and steps that are left of a pause.
  private var stepsToPause = Self.firstPause
  private var pauseSteps = 0

  /// Steps that decide, and plain ones that they are compared with.
  private static let trialSteps = 48
  private static let plainSteps = 8
  /// How much faster steps with drafts must be: what is hardly faster is within the noise.
  private static let required = 1.02
  /// Fewer steps decide when they are as slow as this: that is no noise.
  private static let leastSteps = 16
  private static let hopeless = 0.6
  /// Steps without drafts after the first failed trial, and how often that doubles.
  private static let firstLockout = 512
  private static let lockoutDoublings = 7
  /// Steps that may have drafts before the first pause, and between two.
  private static let firstPause = 256
  private static let pauseInterval = 2048
  /// Twice as many as say nothing yet after the last draft pass.
  private static let pauseLength = 2 * SpeculationPolicy.settling

  /// - Parameter sequences: the most of one step.
  init(sequences: Int) { entries = Array(repeating: Entry(), count: sequences + 1) }

  /// Records a step without drafts, long enough after the last draft pass.
  mutating func recordPlain(sequences: Int, tokens: Int, seconds: Double) {
    entries[sequences].plain.add(tokens: tokens, seconds: seconds)
  }

  /// Records a step with drafts, and judges them when there were enough.
  mutating func recordDrafted(sequences: Int, tokens: Int, seconds: Double) {
    entries[sequences].drafted.add(tokens: tokens, seconds: seconds)
    let entry = entries[sequences]
    guard entry.plain.steps >= Self.plainSteps, entry.lockout == 0 else { return }
    let advantage = entry.drafted.rate / entry.plain.rate
    let isHopeless = entry.drafted.steps >= Self.leastSteps && advantage < Self.hopeless
    guard entry.drafted.steps >= Self.trialSteps || isHopeless else { return }
    if advantage >= Self.required {
      entries[sequences].failures = 0
    } else {
      let doublings = min(entry.failures, Self.lockoutDoublings)
      entries[sequences].lockout = Self.firstLockout << doublings
      entries[sequences].failures += 1
      entries[sequences].drafted = Record()
    }
  }

  /// Whether the next step of so many sequences may have drafts.
  mutating func allowsDrafts(sequences: Int) -> Bool {
    if pauseSteps > 0 {
      pauseSteps -= 1
      return false
    }
    if entries[sequences].lockout > 0 {
      entries[sequences].lockout -= 1
      return false
    }
    stepsToPause -= 1
    if stepsToPause == 0 {
      (stepsToPause, pauseSteps) = (Self.pauseInterval, Self.pauseLength)
    }
    return true
  }
}
