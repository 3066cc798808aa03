// Latent attention: its scalar definition against one softmax in double precision, every tier
// against the scalar definition, and lanes together against each one alone.

import Compute
import TestSupport
import Testing

@Suite("Attention kernels")
struct AttentionKernelTests {
  static let tiers = KernelTier.allCases.filter { Kernels(tier: $0) != nil }

  /// Latents, and queries and weights rounded to bfloat16 or not.
  struct Form: CustomTestStringConvertible, Sendable {
    let format: LatentFormat
    let roundsInputs: Bool
    /// How far a weighted latent of numbers up to 1 may be off.
    let tolerance: Double

    var testDescription: String { format.rawValue + (roundsInputs ? ", rounded" : "") }
    func kernels(_ tier: KernelTier) -> Kernels {
      Kernels(tier: tier, roundsInputs: roundsInputs)!
    }
  }

  static let forms = [
    Form(format: .float32, roundsInputs: false, tolerance: 1e-5),
    Form(format: .bfloat16, roundsInputs: false, tolerance: 1e-5),
    Form(format: .bfloat16, roundsInputs: true, tolerance: 1e-2),
    Form(format: .int8, roundsInputs: false, tolerance: 3e-2),
  ]

  /// Widths and contexts at odd sizes, and at the ends of pages, panels and vectors.
  static func cases(_ form: Form, using g: inout SeededGenerator) -> [AttentionCase] {
    var cases: [AttentionCase] = []
    for (rank, rope, value) in [
      (1, 1, 0), (5, 3, 0), (16, 4, 0), (40, 10, 0), (72, 36, 0), (130, 18, 0), (1, 1, 1),
      (24, 8, 16), (21, 6, 33), (10, 3, 70),
    ] where value == 0 || form.format != .int8 {
      let layout = LatentPageLayout(rank: rank, rope: rope, value: value, format: form.format)
      for (positions, first, heads, rows) in [
        (1, 0, 1, 1), (2, 1, 3, 1), (64, 0, 16, 1), (67, 1, 4, 5), (130, 0, 20, 3), (10, 1, 7, 9),
        (200, 70, 2, 40),
      ] {
        cases.append(
          AttentionCase(
            layout, positions: positions, firstVisible: min(first, positions - rows),
            heads: heads, rows: rows, using: &g))
      }
    }
    // Wider than what is packed at a time.
    cases.append(
      AttentionCase(
        LatentPageLayout(rank: 700, rope: 37, format: form.format), positions: 66,
        firstVisible: 0, heads: 17, rows: 1, using: &g))
    return cases
  }

  @Test("the definition is one softmax over what is seen, in parts or not", arguments: forms)
  func definition(form: Form) {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for test in Self.cases(form, using: &g) {
      for pagesPerPart in [1, 2, 100] {
        let found = test.attended(form.kernels(.scalar), pagesPerPart: pagesPerPart)
        for lane in [0, found.count / 2, found.count - 1] {
          let worst = test.definition(lane: lane).enumerated()
            .map { abs($1 - Double(found[lane, $0])) }.max()!
          // A NaN is not below anything.
          let isClose = worst < form.tolerance
          #expect(isClose, "seed \(seed) \(test.layout) lane \(lane): \(worst)")
        }
      }
    }
  }

  @Test("every tier returns the definition's bits", arguments: forms)
  func tiers(form: Form) {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for test in Self.cases(form, using: &g) {
      let expected = bits(test.attended(form.kernels(.scalar), pagesPerPart: 2))
      for tier in Self.tiers where tier != .scalar {
        let found = bits(test.attended(form.kernels(tier), pagesPerPart: 2))
        #expect(
          found == expected,
          "seed \(seed) \(tier) \(test.layout) \(test.positions) \(test.heads)x\(test.rows)")
      }
    }
  }

  @Test("a lane finds the same alone and among others", arguments: forms)
  func alone(form: Form) {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for test in Self.cases(form, using: &g) {
      let kernels = form.kernels(Kernels.best.tier)
      let together = test.attended(kernels, pagesPerPart: 2)
      for lane in Set([0, together.count / 2, together.count - 1]) {
        let alone = test.attendedAlone(kernels, pagesPerPart: 2, lane: lane)
        #expect(
          bits(alone) == bits(together.rows(lane..<lane + 1)),
          "seed \(seed) \(test.layout) \(test.positions) \(test.heads)x\(test.rows) lane \(lane)")
      }
    }
  }

  private func bits(_ rows: Rows) -> [UInt32] {
    var bits: [UInt32] = []
    for row in 0..<rows.count {
      rows.withRow(row) { span in for index in span.indices { bits.append(span[index].bitPattern) }
      }
    }
    return bits
  }
}

@Suite("Latent pages")
struct LatentPageTests {
  let arena = ScratchArena()

  @Test("the first slots are copied", arguments: LatentFormat.allCases, [0, 1, 2, 3, 5, 63, 64])
  func copies(format: LatentFormat, slots: Int) {
    var g = SeededGenerator(seed: 5)
    let layout = LatentPageLayout(rank: 21, rope: 6, format: format)
    let row = arena.rows(1, width: 27)
    let (source, target) = (
      GuardedMemory(byteCount: layout.byteCount), GuardedMemory(byteCount: layout.byteCount)
    )
    let expected = GuardedMemory(byteCount: layout.byteCount)
    for slot in 0..<64 {
      for k in 0..<27 { row[0, k] = Float.random(in: -1...1, using: &g) }
      unsafe layout.encode(row, row: 0, slot: slot, into: source.bytes)
      if slot < slots { unsafe layout.encode(row, row: 0, slot: slot, into: expected.bytes) }
    }
    unsafe layout.copy(
      slots: slots, from: UnsafeRawBufferPointer(source.bytes), to: target.bytes)
    // Written over with the same, the other slots count as equal.
    for slot in slots..<64 {
      for k in 0..<27 { row[0, k] = 0 }
      unsafe layout.encode(row, row: 0, slot: slot, into: target.bytes)
      unsafe layout.encode(row, row: 0, slot: slot, into: expected.bytes)
    }
    #expect(unsafe target.bytes.elementsEqual(expected.bytes))
  }

  @Test("what is stored is read again", arguments: LatentFormat.allCases)
  func reads(format: LatentFormat) {
    var g = SeededGenerator(seed: 7)
    let layout = LatentPageLayout(rank: 21, rope: 6, format: format)
    let (row, found) = (arena.rows(1, width: 27), arena.rows(2, width: 27))
    let page = GuardedMemory(byteCount: layout.byteCount)
    for slot in [0, 1, 31, 63] {
      for k in 0..<27 { row[0, k] = Float.random(in: -1...1, using: &g) }
      unsafe layout.encode(row, row: 0, slot: slot, into: page.bytes)
      unsafe layout.decode(UnsafeRawBufferPointer(page.bytes), slot: slot, into: found, row: 1)
      // Half a step of each format, of numbers up to 1.
      let bound: Float = format == .float32 ? 0 : format == .bfloat16 ? 0x1p-9 : 1 / 253
      for k in 0..<27 { #expect(abs(found[1, k] - row[0, k]) <= bound, "slot \(slot)") }
    }
  }

  @Test(
    "a page filled at once is one filled slot by slot, on every tier",
    arguments: [(1, 1, 1), (24, 8, 16), (21, 6, 33), (500, 40, 300)])
  func fills(rank: Int, rope: Int, value: Int) {
    var g = SeededGenerator(seed: 9)
    for format in [LatentFormat.float32, .bfloat16] {
      let layout = LatentPageLayout(rank: rank, rope: rope, value: value, format: format)
      let tokens = arena.rows(64, width: layout.width)
      let expected = GuardedMemory(byteCount: layout.byteCount)
      for slot in 0..<64 {
        for k in 0..<layout.width { tokens[slot, k] = Float.random(in: -1...1, using: &g) }
        unsafe layout.encode(tokens, row: slot, slot: slot, into: expected.bytes)
      }
      for tier in AttentionKernelTests.tiers {
        for roundsInputs in [false, true] {
          let kernels = Kernels(tier: tier, roundsInputs: roundsInputs)!
          let page = GuardedMemory(byteCount: layout.byteCount)
          unsafe AttentionKernels(kernels, layout: layout).fill(page.bytes, from: tokens)
          let isEqual = unsafe page.bytes.elementsEqual(expected.bytes)
          #expect(isEqual, "\(format), \(tier), rounded \(roundsInputs)")
        }
      }
    }
  }

  @Test("numbers that are not finite, or tiny, trap nowhere", arguments: LatentFormat.allCases)
  func extremes(format: LatentFormat) {
    let layout = LatentPageLayout(rank: 4, rope: 4, format: format)
    let row = arena.rows(1, width: 8)
    let page = GuardedMemory(byteCount: layout.byteCount)
    for value in [
      Float.nan, .infinity, -.infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude,
    ] {
      row.fill(value)
      unsafe layout.encode(row, row: 0, slot: 63, into: page.bytes)
    }
  }
}
