// What a pass costs, by its rows: measured while serving, since it depends on the checkpoint, the
// machine, and who else uses it.

/// Seconds of passes by their number of rows.
///
/// A cost is a level, common to all numbers of rows, times a mean over the passes of that number.
/// The level follows what slows everything down alike: contexts that grow, neighbours on the
/// machine. So numbers that are rarely tried keep their proportion to the others. What is tried all
/// the time moves the level, what was not tried for long its own mean.
package struct StepCosts {
  /// The mean over passes of one number of rows, in units of the level at their time.
  private struct Share {
    var mean = 0.0
    var count = 0
    /// The number of the last pass, among all.
    var lastPass = 0
  }

  private var shares: [Share]
  private var level = 1.0
  private var passes = 0
  /// The numbers of rows between which everything known lies; 0 before anything is.
  private var fewest = 0
  private var most = 0

  /// Weight of a pass in the level.
  private static let levelWeight = 1.0 / 16
  /// Least and greatest weight of a pass in the mean of its own number, after the first ones, and
  /// how it grows with each pass in between.
  private static let shareWeight = 1.0 / 64...0.25
  private static let ageWeight = 1.0 / 128
  /// Passes until a number of rows is known at all. Of these only the fastest counts: what the
  /// system suspends is only ever slower.
  private static let firstPasses = 4
  /// Passes until a mean is so well known that a difference is the level's.
  private static let settled = 32
  /// The system may suspend a pass for long; that says little of the next one.
  private static let credible = 0.5...2.0

  package init(rows: Int) { shares = [Share](repeating: Share(), count: rows) }

  /// Records a pass.
  package mutating func record(rows: Int, seconds: Double) {
    let share = shares[rows - 1]
    passes += 1
    shares[rows - 1].lastPass = passes
    shares[rows - 1].count += 1
    guard share.count >= Self.firstPasses else {
      let value = seconds / level
      shares[rows - 1].mean = share.count == 0 ? value : min(share.mean, value)
      if shares[rows - 1].count == Self.firstPasses || most == 0 { extend(to: rows) }
      return
    }
    let ratio = seconds / (share.mean * level)
    let change = min(max(ratio, Self.credible.lowerBound), Self.credible.upperBound) - 1
    let age = Double(passes - share.lastPass) * Self.ageWeight
    let weight = min(max(age, Self.shareWeight.lowerBound), Self.shareWeight.upperBound)
    shares[rows - 1].mean *= 1 + change * max(weight, 1 / Double(share.count + 1))
    let isUsual = share.count >= Self.settled && weight <= 4 * Self.shareWeight.lowerBound
    if isUsual { level *= 1 + change * Self.levelWeight }
  }

  private mutating func extend(to rows: Int) {
    fewest = fewest == 0 ? rows : min(fewest, rows)
    most = max(most, rows)
  }

  /// How many passes of so many rows were measured.
  package func count(rows: Int) -> Int { shares[rows - 1].count }

  /// Expected seconds of a pass with `rows` rows (a mean over batches may be a fraction); nil
  /// before the first measurement.
  package func seconds(_ rows: Double) -> Double? {
    guard most > 0 else { return nil }
    // More rows than were ever tried are taken to be cheap: trying is how one learns.
    if rows >= Double(most) { return guess(rows, from: most, fixed: 0.8) }
    if rows <= Double(fewest) { return guess(rows, from: fewest, fixed: 0.5) }
    var lower = Int(rows)
    while !isKnown(lower) { lower -= 1 }
    var upper = Int(rows) + 1
    while !isKnown(upper) { upper += 1 }
    let part = (rows - Double(lower)) / Double(upper - lower)
    let (a, b) = (shares[lower - 1].mean, shares[upper - 1].mean)
    return level * (a + part * (b - a))
  }

  private func isKnown(_ rows: Int) -> Bool {
    shares[rows - 1].count >= Self.firstPasses || rows == fewest || rows == most
  }

  private func guess(_ rows: Double, from measured: Int, fixed: Double) -> Double {
    let ratio = rows / Double(measured)
    return level * shares[measured - 1].mean * (fixed + (1 - fixed) * ratio)
  }
}
