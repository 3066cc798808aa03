// Rotary position embedding (Su et al., 2021) with YaRN's interpolation (Peng et al., 2023, section
// 3) as the released DeepSeek configurations use it.

import Compute
import Glibc

/// The angles of one model, and the factors that YaRN puts on cosines and on the softmax scale.
public struct RotaryEmbedding: Sendable {
  /// Radians per position for each of the rope/2 pairs.
  public let frequencies: [Double]
  /// Multiplies cos and sin.
  public let attentionFactor: Double
  /// (nope + rope)^-1/2, times YaRN's m^2 where mscale_all_dim is given.
  public let softmaxScale: Double
  /// True: pairs (2i, 2i+1). False: pairs (i, i + rope/2).
  public let interleaved: Bool

  /// The angles and factors that the configuration asks for.
  public init(_ c: ModelConfiguration) {
    let width = Double(c.ropeWidth)
    let base = c.rope.theta
    let plain = (0..<c.ropeWidth / 2).map { pow(base, -2 * Double($0) / width) }
    let scale = 1 / Double(c.nopeWidth + c.ropeWidth).squareRoot()
    interleaved = c.rope.interleaved
    guard let yarn = c.rope.yarn else {
      frequencies = plain
      attentionFactor = 1
      softmaxScale = scale
      return
    }
    frequencies = Self.interpolate(plain, yarn, base: base)
    if let given = yarn.attentionFactor {
      attentionFactor = given
    } else if let mscale = yarn.mscale, let all = yarn.mscaleAllDim {
      attentionFactor = Self.magnitude(yarn.factor, mscale) / Self.magnitude(yarn.factor, all)
    } else {
      attentionFactor = Self.magnitude(yarn.factor, 1)
    }
    let m = yarn.mscaleAllDim.map { Self.magnitude(yarn.factor, $0) } ?? 1
    softmaxScale = scale * m * m
  }

  /// g(f, m) = 0.1 m ln f + 1, and 1 when nothing is extended.
  private static func magnitude(_ factor: Double, _ mscale: Double) -> Double {
    factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1
  }

  /// High frequencies stay, low ones are divided by the factor, with a linear ramp between the
  /// dimensions that turn `betaFast` and `betaSlow` times within the original length.
  private static func interpolate(
    _ plain: [Double], _ yarn: YarnConfiguration, base: Double
  ) -> [Double] {
    let width = Double(2 * plain.count)
    func dimension(rotations: Double) -> Double {
      let length = Double(yarn.originalMaxPositions)
      return width * log(length / (rotations * 2 * .pi)) / (2 * log(base))
    }
    let low = max(dimension(rotations: yarn.betaFast).rounded(.down), 0)
    var high = min(dimension(rotations: yarn.betaSlow).rounded(.up), width - 1)
    if low == high { high += 0.001 }
    return plain.enumerated().map { index, frequency in
      let ramp = min(max((Double(index) - low) / (high - low), 0), 1)
      return frequency * (1 - ramp) + frequency / yarn.factor * ramp
    }
  }

  /// Fills row i of `rotation` [rows, rope] with the cosines, then the sines, of position i.
  public func fill(_ rotation: Rows, positions: [Int]) {
    let pairs = frequencies.count
    for (row, position) in positions.enumerated() {
      rotation.withMutableRow(row) { span in
        for pair in 0..<pairs {
          let angle = Double(position) * frequencies[pair]
          span[pair] = Float(cos(angle) * attentionFactor)
          span[pairs + pair] = Float(sin(angle) * attentionFactor)
        }
      }
    }
  }

  /// Rotates each row of `x` [rows, rope] in place by the angles of the same row of `rotation`.
  public func apply(_ rotation: Rows, to x: Rows) {
    let pairs = frequencies.count
    precondition(x.width == 2 * pairs, "rope width")
    for row in 0..<x.count {
      rotation.withRow(row) { angles in
        x.withMutableRow(row) { span in
          for pair in 0..<pairs {
            let first = interleaved ? 2 * pair : pair
            let second = interleaved ? first + 1 : pair + pairs
            let (a, b) = (span[first], span[second])
            let (cosine, sine) = (angles[pair], angles[pairs + pair])
            span[first] = a * cosine - b * sine
            span[second] = b * cosine + a * sine
          }
        }
      }
    }
  }
}
