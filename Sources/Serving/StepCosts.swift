// What a pass costs, by its rows: measured while serving, since it depends on the checkpoint, the
// machine, and who else uses it.

/// Seconds of passes by their number of rows.
///
/// A cost is a level, common to all numbers of rows, times a mean over the passes of about that
/// number. The level follows what slows everything down alike: contexts that grow, neighbours on
/// the machine. So numbers that are rarely tried keep their proportion to the others. What is tried
/// all the time moves the level, what was not tried for long its own mean.
package struct StepCosts {
  /// The passes of neighbouring numbers of rows.
  private struct Bucket {
    /// The number of rows that the mean is for.
    let rows: Double
    /// In units of the level at the passes' time.
    var mean = 0.0
    var count = 0
    /// The number of the last pass, among all.
    var lastPass = 0

    init(rows: Double) { self.rows = rows }

    var isKnown: Bool { count >= StepCosts.firstPasses }

    /// The mean carried over to another number of rows, half of it being the same for any.
    func mean(at rows: Double) -> Double { mean * (0.5 + 0.5 * rows / self.rows) }
  }

  private var buckets: [Bucket] = []
  private var bucketOfRows: [Int] = []
  private var level = 1.0
  private var passes = 0

  /// Weight of a pass in the level.
  private static let levelWeight = 1.0 / 16
  /// Least and greatest weight of a pass in the mean of its own bucket, after the first ones, and
  /// how it grows with each pass in between.
  private static let meanWeight = 1.0 / 64...0.25
  private static let ageWeight = 1.0 / 128
  /// Passes until a bucket is known at all. Of these only the fastest counts: what the system
  /// suspends is only ever slower.
  private static let firstPasses = 4
  /// Passes until a mean is so well known that a difference is the level's.
  private static let settled = 32
  /// The system may suspend a pass for long; that says little of the next one.
  private static let credible = 0.5...2.0

  /// - Parameter rows: the most of one pass.
  package init(rows: Int) {
    var first = 1
    while first <= rows {
      // One number alone up to four, then about three buckets for each doubling.
      let step = max(1, (first - 1) / 4 + (first > 4 ? 1 : 0))
      let last = first + step - 1
      bucketOfRows += repeatElement(buckets.count, count: step)
      buckets.append(Bucket(rows: Double(first + last) / 2))
      first = last + 1
    }
  }

  /// Records a pass.
  package mutating func record(rows: Int, seconds: Double) {
    passes += 1
    // A clock that stands still must not make anything free.
    let seconds = max(seconds, 1e-9)
    let index = bucketOfRows[rows - 1]
    let before = buckets[index]
    buckets[index].count += 1
    buckets[index].lastPass = passes
    guard before.isKnown else {
      let value = seconds / (level * (0.5 + 0.5 * Double(rows) / before.rows))
      buckets[index].mean = before.count == 0 ? value : min(before.mean, value)
      return
    }
    let ratio = seconds / (before.mean(at: Double(rows)) * level)
    let change = min(max(ratio, Self.credible.lowerBound), Self.credible.upperBound) - 1
    let age = Double(passes - before.lastPass) * Self.ageWeight
    let weight = min(max(age, Self.meanWeight.lowerBound), Self.meanWeight.upperBound)
    buckets[index].mean *= 1 + change * max(weight, 1 / Double(before.count + 1))
    let isUsual = before.count >= Self.settled && weight <= 4 * Self.meanWeight.lowerBound
    if isUsual { level *= 1 + change * Self.levelWeight }
  }

  /// How many passes of about so many rows were measured.
  package func count(rows: Int) -> Int { buckets[bucketOfRows[rows - 1]].count }

  /// Expected seconds of a pass with `rows` rows (a mean over batches may be a fraction); nil while
  /// no number of rows has had its first passes: a single one may have been suspended.
  package func seconds(_ rows: Double) -> Double? {
    var below: Bucket?
    var above: Bucket?
    for bucket in buckets where bucket.isKnown {
      if bucket.rows <= rows { below = bucket }
      if bucket.rows >= rows, above == nil { above = bucket }
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
