// Every kernel of every tier against its definition in double precision, at odd sizes and at the
// guarded ends of memory.

import Compute
import Glibc
import TestSupport
import Testing

/// The nearer of the two values of 8 significant bits around x; the even one of equals.
func nearestBFloat16(_ x: Float) -> Double {
  let step = Double(sign: .plus, exponent: x.exponent - 7, significand: 1)
  return (Double(x) / step).rounded(.toNearestOrEven) * step
}

@Suite("Kernels")
struct KernelTests {
  static let fastTiers = KernelTier.allCases.filter { $0 != .scalar && Kernels(tier: $0) != nil }
  static let scalar = Kernels(tier: .scalar)!
  let arena = ScratchArena()

  func randomRows(_ count: Int, _ width: Int, using g: inout SeededGenerator) -> Rows {
    let rows = arena.rows(count, width: width)
    for row in 0..<count {
      for column in 0..<width { rows[row, column] = Float.random(in: -2...2, using: &g) }
    }
    return rows
  }

  func expectSameBits(_ a: Rows, _ b: Rows, _ comment: Comment) {
    for row in 0..<a.count {
      for column in 0..<a.width where a[row, column].bitPattern != b[row, column].bitPattern {
        // Which NaN an operation returns is not part of the definition.
        if a[row, column].isNaN && b[row, column].isNaN { continue }
        Issue.record("\(comment): [\(row), \(column)] \(a[row, column]) != \(b[row, column])")
        return
      }
    }
  }

  @Test("rmsNorm and gatedUnit follow their formulas, in every tier with the same bits")
  func rowwise() {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for width in [1, 15, 16, 31, 64, 100, 256] {
      let x = randomRows(3, width, using: &g)
      let u = randomRows(3, width, using: &g)
      let weight = (0..<width).map { _ in Float.random(in: 0.5...1.5, using: &g) }
      var reference: (norm: Rows, gated: Rows)?
      for tier in [.scalar] + Self.fastTiers {
        let norm = arena.rows(3, width: width)
        let gated = arena.rows(3, width: width)
        let kernels = Kernels(tier: tier)!
        kernels.rmsNorm(x, weight: Vector(weight), epsilon: 1e-6, into: norm)
        kernels.gatedUnit(gate: x, up: u, into: gated)
        for r in 0..<3 {
          let square = (0..<width).reduce(0.0) { $0 + Double(x[r, $1]) * Double(x[r, $1]) }
          let root = (square / Double(width) + 1e-6).squareRoot()
          for k in 0..<width {
            #expect(abs(Double(norm[r, k]) - Double(weight[k]) * Double(x[r, k]) / root) < 1e-5)
            let gate = Double(x[r, k])
            let expected = gate / (1 + exponential(-gate)) * Double(u[r, k])
            #expect(abs(Double(gated[r, k]) - expected) < 1e-5, "seed \(seed)")
          }
        }
        if let reference {
          expectSameBits(norm, reference.norm, "rmsNorm seed \(seed) \(tier) \(width)")
          expectSameBits(gated, reference.gated, "gatedUnit seed \(seed) \(tier) \(width)")
        } else {
          reference = (norm, gated)
        }
      }
    }
  }

  @Test("every byte of float8 and every binary16 and bfloat16 decodes to its definition")
  func decoding() {
    let bytes = (0...255).map { UInt8($0) }
    let scale: [Float] = [1]
    unsafe bytes.withUnsafeBytes { stored in
      unsafe scale.withUnsafeBytes { scale in
        let scales = unsafe BlockScales(
          values: TensorView(format: .float32, shape: [1, 1], bytes: scale), blockRows: 128,
          blockColumns: 256)
        let matrix = unsafe StoredMatrix(
          TensorView(format: .float8E4M3, shape: [1, 256], bytes: stored), scales: scales)
        let decoded = arena.rows(1, width: 256)
        matrix.decode(row: 0, into: decoded, row: 0)
        for byte in bytes {
          let value = Double(decoded[0, Int(byte)])
          let expected = RandomBlock.float8(byte)
          #expect(value == expected || (value.isNaN && expected.isNaN), "byte \(byte)")
        }
      }
    }
    let halves = (0...UInt16.max).map { $0 }
    unsafe halves.withUnsafeBytes { stored in
      let decoded = arena.rows(1, width: halves.count)
      for format in [ElementFormat.float16, .bfloat16] {
        let matrix = unsafe StoredMatrix(
          TensorView(format: format, shape: [1, halves.count], bytes: stored))
        matrix.decode(row: 0, into: decoded, row: 0)
        for half in halves {
          let expected =
            format == .float16
            ? Float(Float16(bitPattern: half)) : Float(bitPattern: UInt32(half) << 16)
          let value = decoded[0, Int(half)]
          #expect(value == expected || (value.isNaN && expected.isNaN), "\(format) \(half)")
        }
      }
    }
  }

  @Test("extremes have the same bits in every tier")
  func extremes() {
    let values: [Float] = [
      0, -0.0, 1e-40, 100, -100, 88.4, -87.4, 1e30, -1e30, .infinity, -.infinity, .nan, 1, -1, 87,
      -88, 3e38, -3e38, 0.5,
    ]
    let x = arena.rows(1, width: values.count)
    let u = arena.rows(1, width: values.count)
    for (column, value) in values.enumerated() {
      x[0, column] = value
      u[0, column] = 2
    }
    func run(_ kernels: Kernels) -> Rows {
      let gated = arena.rows(1, width: values.count)
      kernels.gatedUnit(gate: x, up: u, into: gated)
      return gated
    }
    let expected = run(Self.scalar)
    #expect(expected[0, 9] == .infinity && expected[0, 11].isNaN)
    for tier in Self.fastTiers {
      expectSameBits(run(Kernels(tier: tier)!), expected, "gated unit, \(tier)")
    }
  }

  @Test("exp is within 2 ulp of the definition over its whole range")
  func exponentials() {
    var x: Float = -87
    while x < 88 {
      let expected = exponential(Double(x))
      #expect(abs(Double(Elementwise.exp(x)) / expected - 1) < 2.4e-7, "exp(\(x))")
      x += 0.0371
    }
    #expect(Elementwise.exp(0) == 1)
    #expect(Elementwise.exp(-.infinity) > 0 && Elementwise.exp(-.infinity) < 1e-37)
    #expect(Elementwise.exp(.infinity).isFinite && Elementwise.exp(.nan).isFinite)
  }
}

/// e^x in double precision, as the independent definition.
private func exponential(_ x: Double) -> Double { Glibc.exp(x) }
