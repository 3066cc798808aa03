// What a pass costs, by its rows: measured while serving, since it depends on the checkpoint, the
// machine, and who else uses it.

/// Seconds of passes by their number of rows.
struct StepCosts {
  /// Mean seconds of i + 1 rows; 0 where nothing was measured.
  private var means: [Double]
  /// The numbers of rows between which everything measured lies; 0 before the first measurement.
  private var fewest = 0
  private var most = 0

  /// Weight of a new measurement in the mean of its own number of rows, and in the level of all.
  private static let weight = 1.0 / 16
  /// The system may suspend a pass for long; that says nothing of the next one.
  private static let credible = 0.25...4.0

  init(rows: Int) { means = [Double](repeating: 0, count: rows) }

  /// Records a pass.
  mutating func record(rows: Int, seconds: Double) {
    let mean = means[rows - 1]
    guard mean > 0 else {
      means[rows - 1] = seconds
      fewest = fewest == 0 ? rows : min(fewest, rows)
      most = max(most, rows)
      return
    }
    let ratio = min(max(seconds / mean, Self.credible.lowerBound), Self.credible.upperBound)
    let change = 1 + Self.weight * (ratio - 1)
    // Contexts grow and neighbours come and go: that moves all costs alike, those too that nobody
    // measures at the moment.
    for index in fewest - 1..<most { means[index] *= change }
  }

  /// Expected seconds of a pass with `rows` rows (a mean over batches may be a fraction); nil
  /// before the first measurement.
  func seconds(_ rows: Double) -> Double? {
    guard most > 0 else { return nil }
    if rows <= Double(fewest) { return guess(rows, from: fewest) }
    if rows >= Double(most) { return guess(rows, from: most) }
    var lower = Int(rows)
    while means[lower - 1] == 0 { lower -= 1 }
    var upper = Int(rows) + 1
    while means[upper - 1] == 0 { upper += 1 }
    let share = (rows - Double(lower)) / Double(upper - lower)
    return means[lower - 1] + share * (means[upper - 1] - means[lower - 1])
  }

  /// Half of the cost is taken to be the same for any number of rows.
  private func guess(_ rows: Double, from measured: Int) -> Double {
    means[measured - 1] * (0.5 + 0.5 * rows / Double(measured))
  }
}
