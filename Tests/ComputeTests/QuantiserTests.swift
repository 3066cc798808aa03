// Encoded rows against the formats' definitions, and what the encoder chooses against rounding to
// the nearest of evenly spread levels.

import Compute
import Glibc
import TestSupport
import Testing

/// One row as an arena keeps it.
private func makeRows(_ values: [Float]) -> (rows: Rows, arena: ScratchArena) {
  let arena = ScratchArena()
  let rows = arena.rows(1, width: values.count)
  for (index, value) in values.enumerated() { rows[0, index] = value }
  return (rows, arena)
}

private func encode(_ values: [Float], _ format: ElementFormat) throws -> [UInt8] {
  let (rows, arena) = makeRows(values)
  let memory = GuardedMemory(byteCount: format.byteCount(of: values.count))
  defer { withExtendedLifetime((arena, memory)) {} }
  try unsafe Quantiser.encode(rows, row: 0, as: format, into: memory.bytes)
  return unsafe Array(memory.bytes)
}

private func decode(_ bytes: [UInt8], _ format: ElementFormat) -> [Float] {
  let count = bytes.count / format.blockBytes * format.blockLength
  let (rows, arena) = makeRows([Float](repeating: .nan, count: count))
  defer { withExtendedLifetime(arena) {} }
  let memory = GuardedMemory(byteCount: bytes.count)
  unsafe memory.bytes.copyBytes(from: bytes)
  let stored = unsafe StoredMatrix(
    TensorView(
      format: format, shape: [1, count], bytes: UnsafeRawBufferPointer(memory.bytes)))
  stored.decode(row: 0, into: rows, row: 0)
  return (0..<count).map { rows[0, $0] }
}

/// Kinds of rows, drawn.
private func draw(_ kind: Int, _ count: Int, using g: inout SeededGenerator) -> [Float] {
  func normal() -> Float {
    let (u, v) = (Float.random(in: 1e-7...1, using: &g), Float.random(in: 0...1, using: &g))
    return (-2 * log(u)).squareRoot() * cos(2 * .pi * v)
  }
  let size = exp(Float.random(in: -12...8, using: &g))
  return (0..<count).map { index in
    switch kind {
    case 0: size * normal()
    case 1: size * normal() * abs(normal()) * normal()
    case 2: size * Float.random(in: -1...1, using: &g)
    case 3: -size * (1 + abs(normal()))
    case 4: index / 32 % 3 == 0 ? size * normal() : size * 1e-4 * normal()
    default: Int.random(in: 0..<8, using: &g) == 0 ? size * normal() : 0
    }
  }
}

private func squaredError(_ x: [Float], _ y: [Float]) -> Double {
  zip(x, y).reduce(0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
}

@Suite("Encoding of rows")
struct QuantiserTests {
  static let quantised: [ElementFormat] = [.q8_0, .q5_0, .q4_K, .q5_K, .q6_K]

  @Test("random blocks mean what their format says", arguments: quantised)
  func definitions(_ format: ElementFormat) {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for _ in 0..<200 {
      var bytes = (0..<format.blockBytes).map { _ in UInt8.random(in: 0 ... .max, using: &g) }
      // Units that are numbers.
      for offset in BlockDefinition.units(format) { bytes[offset + 1] &= 0xBB }
      let expected = BlockDefinition.decode(bytes, format)
      #expect(decode(bytes, format).map(Double.init) == expected, "seed \(seed)")
    }
  }

  @Test("every element becomes the nearest of its block's levels", arguments: quantised)
  func nearestLevels(_ format: ElementFormat) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for round in 0..<120 {
      let values = draw(round % 6, 512, using: &g)
      let bytes = try encode(values, format)
      let decoded = decode(bytes, format)
      for block in 0..<values.count / format.blockLength {
        let part = Array(bytes[block * format.blockBytes..<(block + 1) * format.blockBytes])
        for index in 0..<format.blockLength {
          let levels = BlockDefinition.levels(part, format, element: index)
          let x = Double(values[block * format.blockLength + index])
          let y = Double(decoded[block * format.blockLength + index])
          let nearest = levels.map { abs($0 - x) }.min() ?? 0
          #expect(abs(y - x) <= nearest * (1 + 1e-4) + 1e-6 * abs(x), "seed \(seed) round \(round)")
        }
      }
    }
  }

  @Test("errors are at most those of evenly spread levels", arguments: quantised)
  func quality(_ format: ElementFormat) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for kind in 0..<6 {
      var (own, simple) = (0.0, 0.0)
      for _ in 0..<24 {
        let drawn = draw(kind, 512, using: &g)
        let largest = drawn.map { abs($0) }.max() ?? 1
        let values = drawn.map { $0 / max(largest, .leastNormalMagnitude) }
        own += squaredError(values, decode(try encode(values, format), format))
        simple += squaredError(values, EvenLevels.rounded(values, format))
      }
      #expect(own <= simple * 1.0001, "kind \(kind) seed \(seed)")
    }
  }

  @Test("8-bit blocks err by at most half a step")
  func halfStep() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for round in 0..<120 {
      let values = draw(round % 6, 32, using: &g)
      let step = (values.map { abs($0) }.max() ?? 0) / 127
      for (x, y) in zip(values, decode(try encode(values, .q8_0), .q8_0)) {
        // The factor is a float16: 11 bits, or a multiple of 2^-24.
        #expect(abs(x - y) <= step * 0.5005 + 0x1p-25, "seed \(seed) round \(round)")
      }
    }
  }

  @Test("plain formats round to nearest", arguments: [ElementFormat.float16, .bfloat16, .float32])
  func plain(_ format: ElementFormat) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    let values =
      (0..<4000).map { _ in
        Float(bitPattern: UInt32.random(in: 0 ... .max, using: &g))
      }.filter { abs($0) < 65504 } + [0, -0.0, 65504, -65504, 0x1p-24, 0x1p-25, 0x1.8p-25, 1 / 3]
    let decoded = decode(try encode(values, format), format)
    for (x, y) in zip(values, decoded) {
      let expected: Float
      switch format {
      case .float16: expected = EvenLevels.float16(x)
      case .bfloat16:
        let bits = x.bitPattern
        expected = Float(bitPattern: (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000)
      default: expected = x
      }
      #expect(y.bitPattern == expected.bitPattern, "\(x) seed \(seed)")
    }
  }

  @Test("zeros stay zeros, and rows far below a format's smallest number become zeros or little")
  func zeros() throws {
    for format in Self.quantised {
      #expect(
        decode(try encode([Float](repeating: 0, count: 256), format), format).allSatisfy { $0 == 0 }
      )
      for size: Float in [1e-45, 1e-38, 1e-20, 1e-9] {
        let values = (0..<256).map { size * Float($0 % 7 - 3) }
        let decoded = decode(try encode(values, format), format)
        #expect(zip(values, decoded).allSatisfy { abs($0 - $1) <= 1e-6 }, "\(format) \(size)")
      }
    }
  }

  @Test("what is no number or too large is refused")
  func refusals() throws {
    for format in Quantiser.formats {
      for position in [0, 31, 200, 255] {
        for value: Float in [.nan, .infinity, -.infinity] {
          var values = (0..<256).map { Float($0) }
          values[position] = value
          #expect(throws: EncodingFailure.notFinite) { try encode(values, format) }
        }
        var values = [Float](repeating: 1, count: 256)
        values[position] = -.greatestFiniteMagnitude
        if format == .float32 { continue }
        #expect(throws: EncodingFailure.outOfRange) { try encode(values, format) }
      }
    }
    // The largest that fits: factor times level.
    for (format, largest) in [(ElementFormat.q8_0, Float(65504 * 127)), (.q6_K, 65504 * 128 * 31)] {
      var values = [Float](repeating: 0, count: 256)
      values[7] = largest
      let decoded = decode(try encode(values, format), format)
      #expect(abs(decoded[7] / largest - 1) < 0.04, "\(format)")
    }
  }
}
