// Every kernel of every tier against its definition in double precision, at odd sizes and at the
// guarded ends of memory.

import Compute
import Glibc
import TestSupport
import Testing

/// A random matrix in guarded memory, and its elements as Double by the formats' definitions.
struct RandomMatrix {
  let view: MatrixView
  let values: [[Double]]
  private let memory: GuardedMemory
  private let scaleMemory: GuardedMemory

  init(
    _ format: ElementFormat, rows: Int, columns: Int, padding: Int, using g: inout SeededGenerator
  ) {
    let stride = columns + padding
    memory = GuardedMemory(byteCount: format.byteCount(of: (rows - 1) * stride + columns))
    let blockRows = 5
    let blockColumns = 32
    let scaleShape = (
      rows: (rows + blockRows - 1) / blockRows, columns: (columns + blockColumns - 1) / blockColumns
    )
    scaleMemory = GuardedMemory(byteCount: scaleShape.rows * scaleShape.columns * 4)
    let scales = unsafe scaleMemory.bytes.assumingMemoryBound(to: Float.self)
    for index in scales.indices {
      unsafe scales[index] = Float.random(in: 0.5...2, using: &g)
    }
    var values: [[Double]] = []
    for row in 0..<rows {
      values.append([])
      for column in 0..<columns {
        let offset = format.byteCount(of: row * stride + column)
        var value = unsafe Self.store(format, memory.bytes, at: offset, using: &g)
        if format == .float8E4M3 {
          let scale = unsafe scales[row / blockRows * scaleShape.columns + column / blockColumns]
          value = Double(Float(value) * scale)
        }
        values[row].append(value)
      }
    }
    self.values = values
    let blocks = unsafe BlockScales(
      values: TensorView(
        format: .float32, shape: [scaleShape.rows, scaleShape.columns],
        bytes: UnsafeRawBufferPointer(scaleMemory.bytes)),
      blockRows: blockRows, blockColumns: blockColumns)
    view = unsafe MatrixView(
      format: format, rows: rows, columns: columns, rowStride: stride,
      bytes: UnsafeRawBufferPointer(memory.bytes), scales: format == .float8E4M3 ? blocks : nil)
  }

  /// Writes one random element and returns what the format says it means.
  private static func store(
    _ format: ElementFormat, _ bytes: UnsafeMutableRawBufferPointer, at offset: Int,
    using g: inout SeededGenerator
  ) -> Double {
    switch format {
    case .float32:
      let value = Float.random(in: -1...1, using: &g)
      unsafe bytes.storeBytes(of: value, toByteOffset: offset, as: Float.self)
      return Double(value)
    case .float16:
      // Sign, exponents from the subnormals up to 1, any mantissa.
      let bits = UInt16.random(in: 0..<0x3C00, using: &g) | (Bool.random(using: &g) ? 0x8000 : 0)
      unsafe bytes.storeBytes(of: bits, toByteOffset: offset, as: UInt16.self)
      return Double(Float16(bitPattern: bits))
    case .bfloat16:
      let value = Float.random(in: -1...1, using: &g).bitPattern & 0xFFFF_0000
      unsafe bytes.storeBytes(of: UInt16(value >> 16), toByteOffset: offset, as: UInt16.self)
      return Double(Float(bitPattern: value))
    case .float8E4M3:
      var bits = UInt8.random(in: 0...0x7E, using: &g)
      if Bool.random(using: &g) { bits |= 0x80 }
      unsafe bytes.storeBytes(of: bits, toByteOffset: offset, as: UInt8.self)
      return float8(bits)
    default: preconditionFailure("\(format) has no single elements")
    }
  }

  /// e4m3fn from its definition: (-1)^s 2^(e-7) (1 + m/8), subnormals 2^-6 m/8.
  static func float8(_ bits: UInt8) -> Double {
    let exponent = Int(bits >> 3 & 15)
    let mantissa = Double(bits & 7) / 8
    let sign: Double = bits & 0x80 == 0 ? 1 : -1
    if exponent == 15 && bits & 7 == 7 { return .nan }
    return exponent == 0
      ? sign * mantissa * 0x1p-6
      : sign * (1 + mantissa) * Double(sign: .plus, exponent: exponent - 7, significand: 1)
  }
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

  @Test("linear: the scalar definition sums right, every tier returns its bits")
  func linear() {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for format in ElementFormat.allCases where !format.isQuantised {
      for (rows, outputs, columns) in [
        (1, 1, 1), (1, 9, 15), (1, 19, 64), (2, 4, 33), (3, 7, 17), (4, 8, 48), (5, 13, 129),
        (9, 11, 96), (16, 16, 144),
      ] {
        let padding = Int.random(in: 0...3, using: &g)
        let w = RandomMatrix(format, rows: outputs, columns: columns, padding: padding, using: &g)
        let first = Int.random(in: 0..<outputs, using: &g)
        let x = randomRows(rows, columns, using: &g)
        let comment: Comment = "seed \(seed) \(format) \(rows)x\(outputs)x\(columns)"
        let expected = arena.rows(rows, width: outputs - first)
        Self.scalar.linear(w.view, outputs: first..<outputs, x, into: expected)
        for r in 0..<rows {
          for o in first..<outputs {
            let terms = (0..<columns).map { Double(x[r, $0]) * w.values[o][$0] }
            let tolerance = 1e-5 * terms.reduce(1e-6) { $0 + abs($1) }
            #expect(abs(Double(expected[r, o - first]) - terms.reduce(0, +)) < tolerance, comment)
          }
        }
        for tier in Self.fastTiers {
          let y = arena.rows(rows, width: outputs - first)
          Kernels(tier: tier)!.linear(w.view, outputs: first..<outputs, x, into: y)
          expectSameBits(y, expected, "\(tier) \(comment)")
        }
      }
    }
  }

  @Test("a product of rounded inputs: the definition sums right, every tier returns its bits")
  func rounded() {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for (rows, outputs, columns) in [
      (1, 1, 1), (1, 9, 15), (1, 19, 64), (2, 9, 33), (2, 8, 160), (3, 7, 17), (4, 8, 48),
      (5, 13, 129), (9, 11, 96), (16, 16, 144),
    ] {
      let w = RandomMatrix(.bfloat16, rows: outputs, columns: columns, padding: 1, using: &g)
      let first = Int.random(in: 0..<outputs, using: &g)
      // Tiny inputs meet the rule for numbers below 2^-126: as inputs and as sums.
      for size in [2, 0x1p-120, 0x1p-125, 0x1p-126] as [Float] {
        let x = arena.rows(rows, width: columns)
        for r in 0..<rows {
          for k in 0..<columns { x[r, k] = Float.random(in: -size...size, using: &g) }
          // The largest subnormal would round up to a number that is none.
          if size < 1 { x[r, columns - 1] = Float.leastNormalMagnitude.nextDown }
        }
        let comment: Comment = "seed \(seed) \(rows)x\(outputs)x\(columns) of \(size)"
        func apply(_ tier: KernelTier) -> Rows {
          let y = arena.rows(rows, width: outputs - first)
          Kernels(tier: tier, roundsInputs: true)!.project(
            w.view, outputs: first..<outputs, x, into: y)
          return y
        }
        let expected = apply(.scalar)
        for r in 0..<rows where size == 2 {
          for o in first..<outputs {
            let terms = (0..<columns).map { nearestBFloat16(x[r, $0]) * w.values[o][$0] }
            let tolerance = 1e-5 * terms.reduce(1e-6) { $0 + abs($1) }
            #expect(abs(Double(expected[r, o - first]) - terms.reduce(0, +)) < tolerance, comment)
          }
        }
        for tier in Self.fastTiers { expectSameBits(apply(tier), expected, "\(tier) \(comment)") }
      }
    }
  }

  /// The nearer of the two values of 8 significant bits around x; the even one of equals.
  private func nearestBFloat16(_ x: Float) -> Double {
    let step = Double(sign: .plus, exponent: x.exponent - 7, significand: 1)
    return (Double(x) / step).rounded(.toNearestOrEven) * step
  }

  @Test("only products with bfloat16 weights are rounded, and only if asked")
  func roundingScope() {
    var g = SeededGenerator(seed: 3)
    let x = randomRows(2, 64, using: &g)
    for format in ElementFormat.allCases where !format.isQuantised {
      let w = RandomMatrix(format, rows: 4, columns: 64, padding: 0, using: &g)
      func product(_ roundsInputs: Bool) -> Rows {
        let y = arena.rows(2, width: 4)
        Kernels(tier: .scalar, roundsInputs: roundsInputs)!.project(
          w.view, outputs: 0..<4, x, into: y)
        return y
      }
      let exact = arena.rows(2, width: 4)
      Self.scalar.linear(w.view, outputs: 0..<4, x, into: exact)
      expectSameBits(product(false), exact, "\(format)")
      let differs = (0..<4).contains { product(true)[0, $0] != exact[0, $0] }
      #expect(differs == (format == .bfloat16), "\(format)")
    }
  }

  @Test("linearTransposed: the scalar definition sums right, every tier returns its bits")
  func linearTransposed() {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for format in ElementFormat.allCases where !format.isQuantised {
      for (rows, inputs, columns) in [
        (1, 1, 1), (1, 20, 40), (2, 3, 16), (3, 32, 65), (4, 7, 128), (5, 64, 100), (8, 24, 48),
      ] {
        let matrixRows = inputs + Int.random(in: 0...4, using: &g)
        let first = Int.random(in: 0...(matrixRows - inputs), using: &g)
        let w = RandomMatrix(format, rows: matrixRows, columns: columns, padding: 2, using: &g)
        let x = randomRows(rows, inputs, using: &g)
        let carry = randomRows(1, rows, using: &g)
        let start = randomRows(rows, columns, using: &g)
        for carried in [false, true] {
          let comment: Comment = "seed \(seed) \(format) \(rows)x\(inputs)x\(columns) \(carried)"
          func apply(_ kernels: Kernels) -> Rows {
            let y = arena.rows(rows, width: columns)
            y.copy(from: start)
            if carried {
              kernels.linearTransposed(
                w.view, inputs: first..<first + inputs, x, carry: carry, into: y)
            } else {
              kernels.linearTransposed(w.view, inputs: first..<first + inputs, x, into: y)
            }
            return y
          }
          let expected = apply(Self.scalar)
          for r in 0..<rows {
            for k in 0..<columns {
              var terms = (0..<inputs).map { Double(x[r, $0]) * w.values[first + $0][k] }
              if carried { terms.append(Double(carry[0, r]) * Double(start[r, k])) }
              let tolerance = 1e-5 * terms.reduce(1e-6) { $0 + abs($1) }
              #expect(abs(Double(expected[r, k]) - terms.reduce(0, +)) < tolerance, comment)
            }
          }
          for tier in Self.fastTiers {
            expectSameBits(apply(Kernels(tier: tier)!), expected, "\(tier) \(comment)")
          }
        }
      }
    }
  }

  @Test("softmaxStep over pages equals one softmax, in every tier with the same bits")
  func softmax() {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for widths in [[1], [64, 64, 5], [17], [64, 1], [30, 31, 32]] {
      let pages = widths.map { randomRows(3, $0, using: &g) }
      var reference: Rows?
      for tier in [.scalar] + Self.fastTiers {
        let state = arena.rows(3, width: 3)
        state.rows(0..<1).fill(-.infinity)
        var carries: [Rows] = []
        let weights = pages.map { page in
          let copy = arena.rows(3, width: page.width)
          copy.copy(from: page)
          Kernels(tier: tier)!.softmaxStep(copy, scale: 1.5, state: state)
          let carry = arena.rows(1, width: 3)
          carry.copy(from: state.rows(2..<3))
          carries.append(carry)
          return copy
        }
        for r in 0..<3 {
          let scores = pages.flatMap { page in
            (0..<page.width).map { Double(page[r, $0]) * 1.5 }
          }
          let total = scores.reduce(0) { $0 + exponential($1) }
          for (index, page) in weights.enumerated() {
            // A weight is relative to the maximum of its time; later carries bring it up to date.
            let carried = carries[(index + 1)...].reduce(1.0) { $0 * Double($1[0, r]) }
            let start = widths[..<index].reduce(0, +)
            for j in 0..<page.width {
              let probability = Double(page[r, j]) * carried / Double(state[1, r])
              let expected = exponential(scores[start + j]) / total
              #expect(abs(probability - expected) < 2e-6, "seed \(seed) \(tier) \(widths)")
            }
          }
        }
        if let reference {
          expectSameBits(state, reference, "seed \(seed) \(tier) \(widths)")
        } else {
          reference = state
        }
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
        let matrix = unsafe MatrixView(
          format: .float8E4M3, rows: 1, columns: 256, rowStride: 256, bytes: stored, scales: scales)
        let decoded = arena.rows(1, width: 256)
        Elementwise.decode(matrix, row: 0, into: decoded, row: 0)
        for byte in bytes {
          let value = Double(decoded[0, Int(byte)])
          let expected = RandomMatrix.float8(byte)
          #expect(value == expected || (value.isNaN && expected.isNaN), "byte \(byte)")
        }
      }
    }
    let halves = (0...UInt16.max).map { $0 }
    unsafe halves.withUnsafeBytes { stored in
      let decoded = arena.rows(1, width: halves.count)
      for format in [ElementFormat.float16, .bfloat16] {
        let matrix = unsafe MatrixView(
          format: format, rows: 1, columns: halves.count, rowStride: halves.count, bytes: stored)
        Elementwise.decode(matrix, row: 0, into: decoded, row: 0)
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

  @Test("every stored value has the same bits in every tier")
  func decodingInTiers() {
    var g = SeededGenerator(seed: 1)
    let one = arena.rows(1, width: 1)
    one.fill(1)
    for format in [ElementFormat.float16, .bfloat16, .float8E4M3] {
      let count = format == .float8E4M3 ? 256 : 65_536
      let memory = GuardedMemory(byteCount: count * format.byteCount(of: 1))
      for value in 0..<count {
        unsafe memory.bytes.storeBytes(
          of: UInt8(value & 0xFF), toByteOffset: value * format.byteCount(of: 1), as: UInt8.self)
        guard format.byteCount(of: 1) == 2 else { continue }
        unsafe memory.bytes.storeBytes(
          of: UInt8(value >> 8), toByteOffset: value * 2 + 1, as: UInt8.self)
      }
      let scale = [Float.random(in: 1...2, using: &g)]
      unsafe scale.withUnsafeBytes { scale in
        let scales = unsafe BlockScales(
          values: TensorView(format: .float32, shape: [1, 1], bytes: scale), blockRows: 1,
          blockColumns: 256)
        let matrix = unsafe MatrixView(
          format: format, rows: 1, columns: count, rowStride: count,
          bytes: UnsafeRawBufferPointer(memory.bytes),
          scales: format == .float8E4M3 ? scales : nil)
        let expected = arena.rows(1, width: count)
        Self.scalar.linearTransposed(matrix, inputs: 0..<1, one, into: expected)
        for tier in Self.fastTiers {
          let y = arena.rows(1, width: count)
          Kernels(tier: tier)!.linearTransposed(matrix, inputs: 0..<1, one, into: y)
          expectSameBits(y, expected, "\(tier) \(format)")
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
    func run(_ kernels: Kernels) -> (gated: Rows, weights: Rows) {
      let gated = arena.rows(1, width: values.count)
      kernels.gatedUnit(gate: x, up: u, into: gated)
      let weights = arena.rows(1, width: values.count)
      weights.copy(from: x)
      let state = arena.rows(3, width: 1)
      state.rows(0..<1).fill(-.infinity)
      kernels.softmaxStep(weights, scale: 0.5, state: state)
      return (gated, weights)
    }
    let expected = run(Self.scalar)
    #expect(expected.gated[0, 9] == .infinity && expected.gated[0, 11].isNaN)
    for tier in Self.fastTiers {
      let results = run(Kernels(tier: tier)!)
      expectSameBits(results.gated, expected.gated, "gated unit, \(tier)")
      expectSameBits(results.weights, expected.weights, "softmax, \(tier)")
    }
  }

  @Test("bfloat16 rounds to nearest even and keeps NaN and infinities")
  func bfloat16() {
    let cases: [(Float, UInt16)] = [
      (1, 0x3F80), (Float(bitPattern: 0x3F80_8000), 0x3F80),
      (Float(bitPattern: 0x3F81_8000), 0x3F82), (Float(bitPattern: 0x3F80_8001), 0x3F81),
      (.infinity, 0x7F80), (-.infinity, 0xFF80), (Float.greatestFiniteMagnitude, 0x7F80),
      (-0.0, 0x8000),
    ]
    let rows = arena.rows(1, width: cases.count + 1)
    for (index, (value, _)) in cases.enumerated() { rows[0, index] = value }
    rows[0, cases.count] = .nan
    var encoded = [UInt16](repeating: 0, count: rows.width)
    unsafe encoded.withUnsafeMutableBytes {
      unsafe Elementwise.encode(rows, row: 0, as: .bfloat16, into: $0)
    }
    #expect(Array(encoded.dropLast()) == cases.map(\.1))
    #expect(Float(bitPattern: UInt32(encoded.last!) << 16).isNaN)
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
