// How many tokens prompts and answers have.

import Glibc
import Platform

/// A distribution of lengths in tokens.
public enum LengthDistribution: Sendable, Equatable, CustomStringConvertible {
  case fixed(Int)
  /// Every length of the range alike.
  case uniform(ClosedRange<Int>)
  /// The logarithm is normal, with standard deviation `sigma`: many short ones, a few long ones.
  case logNormal(median: Double, sigma: Double)

  /// Parses `128`, `64-512` or `lognormal:MEDIAN,SIGMA`; nil for anything else and for lengths out
  /// of bounds.
  public init?(_ text: String) {
    let bounds = 1...LoadLimits.tokens
    let prefix = "lognormal:"
    if text.hasPrefix(prefix) {
      let parts = text.dropFirst(prefix.count).split(
        separator: ",", omittingEmptySubsequences: false)
      guard parts.count == 2, let median = Double(parts[0]), let sigma = Double(parts[1]),
        median >= 1, median <= Double(LoadLimits.tokens), (0...10).contains(sigma)
      else { return nil }
      self = .logNormal(median: median, sigma: sigma)
      return
    }
    let numbers = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
    switch numbers.count {
    case 1:
      guard let only = numbers[0], bounds.contains(only) else { return nil }
      self = .fixed(only)
    case 2:
      guard let low = numbers[0], let high = numbers[1], low <= high, bounds.contains(low),
        bounds.contains(high)
      else { return nil }
      self = .uniform(low...high)
    default: return nil
    }
  }

  /// A length, from 1 to the limit.
  package func draw(_ random: inout SplitMix) -> Int {
    switch self {
    case .fixed(let length): return length
    case .uniform(let range): return Int.random(in: range, using: &random)
    case .logNormal(let median, let sigma):
      // Box and Muller, 1958.
      let radius = (-2 * log(random.unit())).squareRoot()
      let length = median * exp(sigma * radius * cos(2 * .pi * random.unit()))
      return Int(min(max(length.rounded(), 1), Double(LoadLimits.tokens)))
    }
  }

  public var description: String {
    switch self {
    case .fixed(let length): "\(length)"
    case .uniform(let range): "\(range.lowerBound)-\(range.upperBound)"
    case .logNormal(let median, let sigma): "lognormal:\(median),\(sigma)"
    }
  }
}
