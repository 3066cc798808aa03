// Where values lie on a chart, and which of them are labelled.

import Glibc

package enum ChartScale {
  /// Multiples of 1, 2 or 5 times a power of ten from 0 up to the first at or above `maximum`.
  package static func ticks(upTo maximum: Double, about count: Int = 4) -> [Double] {
    guard maximum > 0, maximum.isFinite else { return [0, 1] }
    let rough = maximum / Double(count)
    let power = pow(10, floor(log10(rough)))
    let factor = [1.0, 2, 5, 10].first { $0 * power >= rough * 0.999 } ?? 10
    let step = factor * power
    return (0...Int((maximum / step).rounded(.up))).map { Double($0) * step }
  }

  /// Round times within a run of so many seconds.
  package static func times(upTo seconds: Double, about count: Int = 6) -> [Double] {
    let steps = [
      1.0, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 86_400,
    ]
    let rough = seconds / Double(count)
    if rough < 0.5 { return ticks(upTo: seconds, about: count).filter { $0 <= seconds } }
    let step = steps.first { $0 >= rough } ?? 7 * 86_400
    return stride(from: 0, through: seconds, by: step).map { $0 }
  }

  /// `0`, `30 s`, `5 min` or `2 h`.
  package static func timeLabel(_ seconds: Double, step: Double) -> String {
    switch step {
    case 3_600...: return "\((seconds / 3_600).fixed(0)) h"
    case 60...: return "\((seconds / 60).fixed(0)) min"
    case 1...: return "\(seconds.fixed(0)) s"
    default: return "\(seconds.fixed(1)) s"
    }
  }

  /// 1, 2 and 5 times the powers of ten between two values, thinned to the powers alone when the
  /// range is wide.
  package static func logarithmic(_ low: Double, _ high: Double) -> [Double] {
    let powers = Int(floor(log10(low)))...Int(ceil(log10(high)))
    let factors = high / low > 2_000 ? [1.0] : high / low > 60 ? [1, 3] : [1, 2, 5]
    return powers.flatMap { power in factors.map { $0 * pow(10, Double(power)) } }
      .filter { $0 >= low && $0 <= high }
  }

  /// A number of an axis, without digits that say nothing.
  package static func label(_ value: Double) -> String {
    if value == 0 { return "0" }
    if value >= 1_000_000 { return "\(trimmed(value / 1_000_000))M" }
    if value >= 100_000 { return "\(trimmed(value / 1_000))k" }
    return trimmed(value)
  }

  private static func trimmed(_ value: Double) -> String {
    for digits in 0..<3 where (value * pow(10, Double(digits))).rounded() == round9(value, digits) {
      return value.fixed(digits)
    }
    return value.fixed(3)
  }

  /// The scaled value with the noise of its last bits taken away.
  private static func round9(_ value: Double, _ digits: Int) -> Double {
    (value * pow(10, Double(digits)) * 1e6).rounded() / 1e6
  }
}
