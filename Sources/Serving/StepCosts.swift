// What a pass costs, by its rows: measured while serving, since it depends on the checkpoint, the
// machine, and who else uses it.

/// Seconds of passes by their kind and number of rows.
///
/// A cost is a level, common to all passes, times a mean over those of the kind with about that
/// number of rows. The level follows what slows everything down alike: contexts that grow,
/// neighbours on the machine. So what is rarely tried keeps its proportion to the others.
package struct StepCosts {
  /// Main passes without and with drafts, and the passes that draw these. The first two are kept
  /// apart because a draft pass leaves other weights in the caches: the same rows cost more after.
  package enum Kind: Int {
    case plain, verification, drafting
  }

  /// The passes of neighbouring numbers of rows.
  private struct Bucket {
    /// The number of rows that the mean is for.
    let rows: Double
    /// In units of the level at the passes' time.
    var mean = 0.0
    var count = 0
    /// What the mean rests on, in passes.
    var evidence = 0.0
    /// The number of the last pass, among all.
    var lastPass = 0

    init(rows: Double) { self.rows = rows }

    var isKnown: Bool { count >= StepCosts.firstPasses }

    /// The mean carried over to another number of rows, half of it being the same for any.
    func mean(at rows: Double) -> Double { mean * (0.5 + 0.5 * rows / self.rows) }
  }

  /// By kind.
  private var buckets: [[Bucket]] = []
  private var bucketOfRows: [Int] = []
  private var level = 1.0
  private var passes = 0

  /// Weight of a pass in the level.
  private static let levelWeight = 1.0 / 16
  /// The evidence from which a difference is the level's, and the weight of a pass in its own mean
  /// then.
  private static let settled = 32.0
  private static let settledWeight = 1.0 / 128
  /// What plain passes lose of their evidence with each pass of another kind or number, and what
  /// is left. They are what drafts are compared with, and a long time without them may have changed
  /// them alone. The others' first differences after a long time are more likely to be everybody's.
  private static let ageing = 1.0 / 16
  private static let leastEvidence = 8.0
  /// Passes until a bucket is known at all. Of these only the fastest counts: what the system
  /// suspends is only ever slower.
  private static let firstPasses = 4
  /// The system may suspend a pass for long; that says little of the next one.
  private static let credible = 0.5...2.0
  /// What a pass takes counts up to so many times what was expected: slow passes are part of what
  /// drafts cost, and there are more passes with them.
  static let countable = 4.0

  /// - Parameter rows: the most of one pass, by kind.
  package init(rows: Int...) {
    var all: [Bucket] = []
    var first = 1
    while first <= rows.max() ?? 0 {
      // One number alone up to four, then about three buckets for each doubling.
      let step = max(1, (first - 1) / 4 + (first > 4 ? 1 : 0))
      let last = first + step - 1
      bucketOfRows += repeatElement(all.count, count: step)
      all.append(Bucket(rows: Double(first + last) / 2))
      first = last + 1
    }
    buckets = rows.map { Array(all[...bucketOfRows[$0 - 1]]) }
  }

  /// Records a pass.
  /// - Returns: its seconds, but no more than a few times what was expected: the system may have
  ///   suspended it.
  @discardableResult
  package mutating func record(_ kind: Kind = .plain, rows: Int, seconds: Double) -> Double {
    passes += 1
    // A clock that stands still must not make anything free.
    let seconds = max(seconds, 1e-9)
    let index = bucketOfRows[rows - 1]
    var bucket = buckets[kind.rawValue][index]
    defer { buckets[kind.rawValue][index] = bucket }
    let age = passes - bucket.lastPass
    bucket.lastPass = passes
    guard bucket.isKnown else {
      let value = seconds / (level * (0.5 + 0.5 * Double(rows) / bucket.rows))
      bucket.mean = bucket.count == 0 ? value : min(bucket.mean, value)
      bucket.count += 1
      bucket.evidence = 2
      return level * bucket.mean(at: Double(rows))
    }
    bucket.count += 1
    if kind == .plain, bucket.evidence > Self.leastEvidence {
      bucket.evidence = max(bucket.evidence - Double(age) * Self.ageing, Self.leastEvidence)
    }
    bucket.evidence = min(bucket.evidence + 1, 2 * Self.settled)
    let expected = bucket.mean(at: Double(rows)) * level
    let ratio = min(
      max(seconds / expected, Self.credible.lowerBound), Self.credible.upperBound)
    let isSettled = bucket.evidence >= Self.settled
    bucket.mean *= 1 + (ratio - 1) * (isSettled ? Self.settledWeight : 1 / bucket.evidence)
    if isSettled { level *= 1 + (ratio - 1) * Self.levelWeight }
    return min(seconds, Self.countable * expected)
  }

  /// How many passes of about so many rows were measured.
  package func count(_ kind: Kind = .plain, rows: Int) -> Int {
    buckets[kind.rawValue][bucketOfRows[rows - 1]].count
  }

  /// Expected seconds of a pass with `rows` rows (a mean over batches may be a fraction); nil while
  /// no number of rows has had its first passes: a single one may have been suspended.
  package func seconds(_ rows: Double, _ kind: Kind = .plain) -> Double? {
    var below: Bucket?
    var above: Bucket?
    for bucket in buckets[kind.rawValue] where bucket.isKnown {
      if bucket.rows <= rows { below = bucket }
      if bucket.rows >= rows {
        above = bucket
        break
      }
    }
    switch (below, above) {
    case (let below?, let above?) where above.rows > below.rows:
      let part = (rows - below.rows) / (above.rows - below.rows)
      return level * (below.mean + part * (above.mean - below.mean))
    case (let below?, nil):
      // More rows than were ever tried are taken to be cheap: trying is how one learns.
      return level * below.mean * (0.8 + 0.2 * rows / below.rows)
    case (_, let above?): return level * above.mean(at: rows)
    case (nil, nil): return nil
    }
  }
}
