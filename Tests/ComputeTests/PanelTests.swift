// Panels and the products with them, in every format and tier, at odd sizes, against definitions in
// double precision and against the scalar tier bit for bit.

import Compute
import Platform
import TestSupport
import Testing

@Suite("Panels")
struct PanelTests {
  static let tiers = KernelVariant.all
  private let arena = ScratchArena()

  private func randomRows(_ count: Int, _ width: Int, using g: inout SeededGenerator) -> Rows {
    let rows = arena.rows(count, width: width)
    for row in 0..<count {
      for column in 0..<width { rows[row, column] = Float.random(in: -2...2, using: &g) }
    }
    return rows
  }

  /// Rows, outputs and columns; columns become whole blocks.
  private static func shapes(_ format: ElementFormat) -> [(Int, Int, Int)] {
    [
      (1, 1, 1), (1, 9, 15), (1, 80, 64), (2, 50, 33), (3, 64, 17), (4, 16, 48), (5, 13, 129),
      (7, 31, 300), (8, 33, 255), (9, 17, 512), (13, 48, 96), (18, 21, 70), (25, 16, 260),
    ].map { rows, outputs, columns in
      let length = format.blockLength
      return (rows, outputs, (columns + length - 1) / length * length)
    }
  }

  private func kernels(_ tier: KernelVariant, fast: Bool) -> Kernels { tier.kernels(fast: fast) }

  private func product(
    _ matrix: PackedMatrix, _ x: Rows, _ kernels: Kernels, panels: Range<Int>? = nil
  ) throws -> Rows {
    let buffer = EncodingBuffer(arena, count: x.count, width: x.width)
    let backend = Backend(kernels: kernels, pool: try WorkerPool(threadCount: 1))
    let y = arena.rows(x.count, width: matrix.rows)
    y.fill(.nan)
    kernels.product(
      matrix, panels: panels ?? 0..<matrix.panelCount,
      backend.encode(x, for: matrix.format, in: buffer), into: y)
    return y
  }

  private func bits(_ y: Rows) -> [[UInt32]] {
    (0..<y.count).map { y.withRow($0) { row in row.indices.map { row[$0].bitPattern } } }
  }

  /// What the inputs of a product are after encoding, by its definition.
  private func encoded(_ x: Rows, for format: ElementFormat, fast: Bool) -> [[Double]] {
    (0..<x.count).map { row in
      let values = (0..<x.width).map { x[row, $0] }
      guard fast else { return values.map { Double($0) } }
      if [.float32, .float16].contains(format) { return values.map { Double($0) } }
      if !format.isQuantised { return values.map(nearestBFloat16) }
      let length = format.blockLength
      return stride(from: 0, to: x.width, by: length).flatMap { start -> [Double] in
        let block = values[start..<start + length]
        let highest = block.map(abs).max()!
        return block.map {
          Double(($0 * (127 / highest)).rounded(.toNearestOrEven)) * Double(highest) / 127
        }
      }
    }
  }

  @Test("products of every format sum right, and every tier returns the definition's bits")
  func products() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for format in ElementFormat.allCases {
      for (rows, outputs, columns) in Self.shapes(format) {
        let w = RandomWeights(format, rows: outputs, columns: columns, using: &g)
        let (matrix, x) = (try w.packed(), randomRows(rows, columns, using: &g))
        for fast in [false, true] {
          let comment: Comment = "seed \(seed) \(format) \(rows)x\(outputs)x\(columns) \(fast)"
          let expected = try product(matrix, x, kernels(.scalar, fast: fast))
          let inputs = encoded(x, for: format, fast: fast)
          for r in 0..<rows {
            for o in 0..<outputs {
              let terms = (0..<columns).map { inputs[r][$0] * w.values[o][$0] }
              let tolerance = 1e-5 * terms.reduce(1e-6) { $0 + abs($1) }
              #expect(abs(Double(expected[r, o]) - terms.reduce(0, +)) < tolerance, comment)
            }
          }
          for tier in Self.tiers where tier != .scalar {
            let y = try product(matrix, x, kernels(tier, fast: fast))
            #expect(bits(y) == bits(expected), "\(tier) \(comment)")
          }
        }
      }
    }
  }

  @Test("neither other rows nor the choice of panels changes a bit")
  func independence() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for format in ElementFormat.allCases {
      let w = RandomWeights(format, rows: 150, columns: 512, using: &g)
      let (matrix, x) = (try w.packed(), randomRows(29, 512, using: &g))
      for tier in Self.tiers {
        let all = bits(try product(matrix, x, kernels(tier, fast: true)))
        for row in 0..<x.count {
          let alone = try product(matrix, x.rows(row..<row + 1), kernels(tier, fast: true))
          #expect(bits(alone)[0] == all[row], "seed \(seed) \(format) \(tier) row \(row)")
        }
        let some = bits(try product(matrix, x, kernels(tier, fast: true), panels: 3..<8))
        for row in 0..<x.count {
          #expect(some[row][48..<128] == all[row][48..<128], "seed \(seed) \(format) \(tier)")
          // The other panels' outputs are not touched.
          #expect(some[row][..<48].allSatisfy { Float(bitPattern: $0).isNaN })
          #expect(some[row][128...].allSatisfy { Float(bitPattern: $0).isNaN })
        }
      }
    }
  }

  @Test("so many rows that tiers deal them into groups have the definition's bits")
  func manyRows() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for format in ElementFormat.allCases where format.isQuantised {
      let columns = format.blockLength
      let matrix = try RandomWeights(format, rows: 18, columns: columns, using: &g).packed()
      for rows in [32, 33, 64, 256, Int.random(in: 257...300, using: &g)] {
        let x = randomRows(rows, columns, using: &g)
        let expected = bits(try product(matrix, x, kernels(.scalar, fast: true)))
        for tier in Self.tiers where tier != .scalar {
          let y = bits(try product(matrix, x, kernels(tier, fast: true)))
          #expect(y == expected, "seed \(seed) \(format) \(tier) \(rows) rows")
        }
      }
    }
  }

  @Test("columns as rows: the same elements, exactly")
  func transposed() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for format in ElementFormat.allCases {
      let columns = format.isQuantised ? 256 : 40
      let w = RandomWeights(format, rows: 21, columns: columns, using: &g)
      let matrix = try w.packedTransposed()
      #expect(matrix.format == (format == .bfloat16 ? .bfloat16 : .float32))
      #expect(matrix.rows == columns && matrix.columns == 21)
      for row in 0..<21 {
        let one = arena.rows(1, width: 21)
        one[0, row] = 1
        let y = try product(matrix, one, kernels(.scalar, fast: false))
        let decoded = arena.rows(1, width: columns)
        w.stored.decode(row: row, into: decoded, row: 0)
        for column in 0..<columns {
          #expect(y[0, column] == decoded[0, column], "seed \(seed) \(format)")
          let tolerance = 1e-6 * max(abs(w.values[row][column]), 1e-3)
          #expect(abs(Double(y[0, column]) - w.values[row][column]) <= tolerance, "\(format)")
        }
      }
    }
  }

  @Test("every stored value has the same bits in every tier")
  func everyValue() throws {
    let one = arena.rows(1, width: 1)
    one.fill(1)
    for format in [ElementFormat.float16, .bfloat16, .float8E4M3] {
      let count = format == .float8E4M3 ? 256 : 65_536
      let bytes = (0..<count).flatMap { value in
        (0..<format.blockBytes).map { UInt8(value >> (8 * $0) & 0xFF) }
      }
      let scales = [Float](repeating: 1.7, count: count)
      let memory = try LargeMemory(byteCount: count * PackedMatrix.alignment * 2)
      try unsafe bytes.withUnsafeBytes { bytes in
        try unsafe scales.withUnsafeBytes { scales in
          let blocks = unsafe BlockScales(
            values: TensorView(format: .float32, shape: [count, 1], bytes: scales), blockRows: 1,
            blockColumns: 16)
          let stored = unsafe StoredMatrix(
            TensorView(format: format, shape: [count, 1], bytes: bytes),
            scales: format == .float8E4M3 ? blocks : nil)
          let matrix = PackedMatrix(stored, at: 0, of: memory)
          for panel in 0..<matrix.panelCount { matrix.pack(panel: panel, from: stored) }
          let decoded = arena.rows(count, width: 1)
          for row in 0..<count { stored.decode(row: row, into: decoded, row: row) }
          for tier in Self.tiers {
            let y = try product(matrix, one, kernels(tier, fast: false))
            for row in 0..<count where !(y[0, row].isNaN && decoded[row, 0].isNaN) {
              #expect(y[0, row] == decoded[row, 0], "\(format) \(row) \(tier)")
            }
          }
        }
      }
      _ = withExtendedLifetime(memory) { memory.byteCount }
    }
  }

  @Test("inputs beside bfloat16 weights are rounded to nearest even, NaN and infinities kept")
  func rounding() throws {
    let cases: [(Float, UInt32)] = [
      (1, 0x3F80), (Float(bitPattern: 0x3F80_8000), 0x3F80),
      (Float(bitPattern: 0x3F81_8000), 0x3F82), (Float(bitPattern: 0x3F80_8001), 0x3F81),
      (.infinity, 0x7F80), (-.infinity, 0xFF80), (Float.greatestFiniteMagnitude, 0x7F80),
      (Float.leastNormalMagnitude.nextDown, 0),
    ]
    let one: [UInt8] = [0x80, 0x3F]
    let memory = try LargeMemory(byteCount: PackedMatrix.alignment)
    let matrix = unsafe one.withUnsafeBytes { bytes in
      let stored = unsafe StoredMatrix(
        TensorView(format: .bfloat16, shape: [1, 1], bytes: bytes))
      let matrix = PackedMatrix(stored, at: 0, of: memory)
      matrix.pack(panel: 0, from: stored)
      return matrix
    }
    let x = arena.rows(cases.count + 1, width: 1)
    for (row, (value, _)) in cases.enumerated() { x[row, 0] = value }
    x[cases.count, 0] = .nan
    for tier in Self.tiers {
      let y = try product(matrix, x, kernels(tier, fast: true))
      for (row, (value, bits)) in cases.enumerated() {
        #expect(y[row, 0] == Float(bitPattern: bits << 16), "\(value) \(tier)")
      }
      #expect(y[cases.count, 0].isNaN, "\(tier)")
    }
    _ = withExtendedLifetime(memory) { memory.byteCount }
  }

  @Test("inputs that are zero, tiny, huge or no numbers encode alike in every tier")
  func extremes() throws {
    let special: [Float] = [
      0, -0, .leastNonzeroMagnitude, .leastNormalMagnitude, 1e-30, 1e30, .greatestFiniteMagnitude,
      .infinity, .nan, 1,
    ]
    var g = SeededGenerator(seed: 5)
    for format in ElementFormat.allCases where format.isQuantised {
      let w = RandomWeights(format, rows: 16, columns: 256, using: &g)
      let matrix = try w.packed()
      for value in special {
        let x = arena.rows(1, width: 256)
        for column in 0..<256 { x[0, column] = column % 3 == 0 ? value : Float(column % 7) }
        let all = try Self.tiers.map { try product(matrix, x, kernels($0, fast: true)) }
        for (tier, y) in zip(Self.tiers, all) {
          for o in 0..<16 where !(y[0, o].isNaN && all[0][0, o].isNaN) {
            #expect(y[0, o].bitPattern == all[0][0, o].bitPattern, "\(format) \(value) \(tier)")
          }
        }
      }
    }
  }
}
