// What a pass costs, by its rows: measured while serving, since it depends on the checkpoint, the
// machine, and who else uses it.

/// Seconds of passes by their number of rows.
///
/// A cost is a level, common to all numbers of rows, times a median over the last passes of that
/// number. The level follows what slows everything down alike: contexts that grow, neighbours on
/// the machine. So numbers that are rarely tried keep their proportion to the others, and a single
/// pass that the system suspended says nothing.
struct StepCosts {
  /// Passes of one number of rows, in units of the level at their time.
  private struct Window {
    private var values = SIMD8<Double>(repeating: 0)
    private(set) var count = 0
    private(set) var median = 0.0

    mutating func append(_ value: Double) {
      values[count % values.scalarCount] = value
      count += 1
      let known = min(count, values.scalarCount)
      var sorted = values
      for index in 1..<max(known, 1) {
        var place = index
        while place > 0, sorted[place - 1] > sorted[place] {
          (sorted[place - 1], sorted[place]) = (sorted[place], sorted[place - 1])
          place -= 1
        }
      }
      median = sorted[(known - 1) / 2]
    }
  }

  private var windows: [Window]
  private var level = 1.0
  /// The numbers of rows between which everything measured lies; 0 before the first measurement.
  private var fewest = 0
  private var most = 0

  /// Weight of one pass in the level.
  private static let weight = 1.0 / 32
  private static let credible = 0.25...4.0

  init(rows: Int) { windows = [Window](repeating: Window(), count: rows) }

  /// Records a pass.
  mutating func record(rows: Int, seconds: Double) {
    if windows[rows - 1].count > 0 {
      let ratio = seconds / (windows[rows - 1].median * level)
      let bounded = min(max(ratio, Self.credible.lowerBound), Self.credible.upperBound)
      level *= 1 + Self.weight * (bounded - 1)
    }
    windows[rows - 1].append(seconds / level)
    fewest = fewest == 0 ? rows : min(fewest, rows)
    most = max(most, rows)
  }

  /// How many passes of so many rows were measured.
  func count(rows: Int) -> Int { windows[rows - 1].count }

  /// Expected seconds of a pass with `rows` rows (a mean over batches may be a fraction); nil
  /// before the first measurement.
  func seconds(_ rows: Double) -> Double? {
    guard most > 0 else { return nil }
    if rows <= Double(fewest) { return guess(rows, from: fewest) }
    if rows >= Double(most) { return guess(rows, from: most) }
    var lower = Int(rows)
    while windows[lower - 1].count == 0 { lower -= 1 }
    var upper = Int(rows) + 1
    while windows[upper - 1].count == 0 { upper += 1 }
    let share = (rows - Double(lower)) / Double(upper - lower)
    let (a, b) = (windows[lower - 1].median, windows[upper - 1].median)
    return level * (a + share * (b - a))
  }

  /// Half of the cost is taken to be the same for any number of rows.
  private func guess(_ rows: Double, from measured: Int) -> Double {
    level * windows[measured - 1].median * (0.5 + 0.5 * rows / Double(measured))
  }
}
