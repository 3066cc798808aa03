// What steps with drafts really brought, against steps without: the last word on speculation.
//
// Costs by rows and acceptance by position say how many drafts should be best, but a draft pass
// also costs what nobody measures by itself: it leaves other weights in the caches, and the engine
// has more to do around it. So whole steps are compared, for each number of sequences, and where
// drafts turn out slower there are none for a while, longer each time.

/// Compares whole steps with and without drafts.
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
    /// Of probes, which are not meant to pay.
    var probed = Record()
    /// Steps for which there are no drafts.
    var lockout = 0
    /// Trials in a row that failed.
    var failures = 0
  }

  /// By number of sequences.
  private var entries: [Entry]

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
  private static let lockoutDoublings = 6

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
    guard entry.plain.steps >= Self.plainSteps else { return }
    let advantage = entry.drafted.rate / entry.plain.rate
    let isHopeless = entry.drafted.steps >= Self.leastSteps && advantage < Self.hopeless
    guard entry.drafted.steps >= Self.trialSteps || isHopeless else { return }
    guard advantage < Self.required else {
      entries[sequences].failures = 0
      return
    }
    lockOut(sequences: sequences)
  }

  /// Records a step of a probe: only one that is hopelessly slow says something.
  mutating func recordProbe(sequences: Int, tokens: Int, seconds: Double) {
    entries[sequences].probed.add(tokens: tokens, seconds: seconds)
    let entry = entries[sequences]
    guard entry.plain.steps >= Self.plainSteps, entry.probed.steps >= Self.leastSteps else {
      return
    }
    if entry.probed.rate < Self.hopeless * entry.plain.rate { lockOut(sequences: sequences) }
    entries[sequences].probed = Record()
  }

  private mutating func lockOut(sequences: Int) {
    let entry = entries[sequences]
    entries[sequences].lockout = Self.firstLockout << min(entry.failures, Self.lockoutDoublings)
    entries[sequences].failures += 1
    entries[sequences].drafted = Record()
  }

  /// Whether the next step of so many sequences may have drafts.
  mutating func allowsDrafts(sequences: Int) -> Bool {
    guard entries[sequences].lockout > 0 else { return true }
    entries[sequences].lockout -= 1
    return false
  }
}
