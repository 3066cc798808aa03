// Logits and tokens of the recorded checkpoints, however the sequence is cut.

import Compute
import DeepSeek
import TestSupport
import Testing

@Suite("Parity with the published models")
struct ParityTests {
  static let cases = ParityCase.names
  static let tolerance = 5e-3

  @Test("log-probabilities at every position, in one pass and in chunks", arguments: cases)
  func logits(name: String) throws {
    try expectLogits(ParityCase(name), expandedCount: 0)
  }

  @Test("the same in the expanded form, or with its beginning in it", arguments: cases)
  func expandedLogits(name: String) throws {
    let parity = try ParityCase(name)
    for count in [parity.tokens.count, 37] { try expectLogits(parity, expandedCount: count) }
  }

  private func expectLogits(_ parity: ParityCase, expandedCount: Int) throws {
    let runner = try SequenceRunner(directory: parity.directory, expandedCount: expandedCount)
    let expected = parity.expected["logits"]!
    var bits: [[UInt32]] = []
    for chunk in [parity.tokens.count, 1, 7, 64] {
      var chunkBits: [UInt32] = []
      runner.forEachRow(parity.tokens, chunk: chunk) { position, logits in
        chunkBits += array(logits).map(\.bitPattern)
        expectClose(logits, expected, row: position, "\(expandedCount) expanded, chunk \(chunk)")
      }
      bits.append(chunkBits)
    }
    #expect(bits.allSatisfy { $0 == bits[0] }, "a chunk size changed a bit")
  }

  @Test("the greedy continuation is the recorded one", arguments: cases)
  func greedy(name: String) throws {
    let parity = try ParityCase(name)
    let runner = try SequenceRunner(directory: parity.directory)
    var tokens = Array(parity.tokens[..<parity.promptCount])
    var next: Int32 = 0
    runner.forEachRow(tokens, chunk: 256) { _, logits in next = Int32(largestIndex(array(logits))) }
    for _ in 0..<32 {
      tokens.append(next)
      runner.model.decode(runner.batch([next], at: tokens.count - 1))
      runner.model.logits(.decode, ofRows: [0]).withRow(0) { next = Int32(largestIndex(array($0))) }
    }
    #expect(tokens == parity.tokens)
  }

  @Test(
    "MTP logits at every position, in one pass and in chunks",
    arguments: ["parity/v3_fp8_block", "parity/v3_mtp", "variants/v3_two_mtp"])
  func mtp(name: String) throws {
    let parity = try ParityCase(name)
    let runner = try SequenceRunner(directory: parity.directory)
    let model = runner.model
    let expected = parity.expected["mtp_logits"]!
    let rows = parity.tokens.count - 1
    for chunk in [rows, 1, 7, 64] {
      for start in stride(from: 0, to: rows, by: chunk) {
        let part = start..<min(start + chunk, rows)
        model.decode(runner.batch(parity.tokens[part], at: start))
        let next = parity.tokens[part.lowerBound + 1...part.upperBound]
        model.draft(
          runner.batch(next, at: start + 1, firstVisible: 1),
          from: part.indices.map { .row(.decode, $0 - start) })
        for row in 0..<part.count {
          model.draftLogits(ofRows: [row]).withRow(0) { logits in
            expectClose(logits, expected, row: start + row, "\(name) chunk \(chunk)")
          }
        }
      }
    }
  }

  @Test("a second module, and the first one fed by itself", arguments: [1, 0])
  func chainedMTP(module: Int) throws {
    let parity = try ParityCase("variants/v3_two_mtp")
    let expected = parity.expected[module == 1 ? "mtp_logits_1" : "mtp_logits_chained"]!
    let runner = try SequenceRunner(directory: parity.directory)
    let model = runner.model
    let count = parity.tokens.count
    model.decode(runner.batch(parity.tokens[..<(count - 1)], at: 0))
    model.draft(
      runner.batch(parity.tokens[1...], at: 1, firstVisible: 1),
      from: (0..<count - 1).map { .row(.decode, $0) })
    model.draft(
      runner.batch(parity.tokens[2...], at: 1, firstVisible: 1),
      from: (0..<count - 2).map { .draft($0) }, module: module)
    for row in 0..<count - 2 {
      model.draftLogits(ofRows: [row], module: module).withRow(0) { logits in
        expectClose(logits, expected, row: row, "module \(module)")
      }
    }
  }

  private func expectClose(
    _ logits: Span<Float>, _ expected: ExpectedTensor, row: Int, _ comment: Comment
  ) {
    let worst = zip(logSoftmax(array(logits)), logSoftmax(expected.row(row)))
      .map { abs($0 - $1) }.max()!
    #expect(worst < Self.tolerance, "\(comment) row \(row): \(worst)")
  }

  /// How latents are stored, and whether inputs are rounded to BF16.
  static let fastForms: [(LatentFormat, Bool)] = [
    (.bfloat16, false), (.bfloat16, true), (.int8, true),
  ]

  @Test(
    "tiers, threads and other sequences in the batch change no bit", arguments: cases, fastForms)
  func oneArithmetic(name: String, form: (latents: LatentFormat, roundsInputs: Bool)) throws {
    let (latents, roundsInputs) = form
    let parity = try ParityCase(name)
    let tokens = Array(parity.tokens.prefix(60))
    func run(_ runner: SequenceRunner) -> [UInt32] {
      var bits: [UInt32] = []
      runner.forEachRow(tokens, chunk: 33) { _, logits in bits += array(logits).map(\.bitPattern) }
      return bits
    }
    let reference = run(
      try SequenceRunner(
        directory: parity.directory, tier: .scalar, latents: latents, roundsInputs: roundsInputs))
    for tier in KernelTier.allCases where Kernels(tier: tier) != nil {
      for threads in [1, 2, 3] {
        let runner = try SequenceRunner(
          directory: parity.directory, tier: tier, threads: threads, latents: latents,
          roundsInputs: roundsInputs)
        #expect(run(runner) == reference, "\(tier), \(threads) threads")
      }
    }
    let batched = try batchedBits(
      parity, tokens,
      try SequenceRunner(
        directory: parity.directory, latents: latents, roundsInputs: roundsInputs))
    #expect(batched == reference, "beside another sequence")
  }

  @Test("tiers and threads change no bit of the expanded form", arguments: fastForms)
  func expandedTiers(form: (latents: LatentFormat, roundsInputs: Bool)) throws {
    let parity = try ParityCase("parity/v3_mtp")
    func bits(_ tier: KernelTier, threads: Int, chunk: Int) throws -> [UInt32] {
      let runner = try SequenceRunner(
        directory: parity.directory, tier: tier, threads: threads, latents: form.latents,
        roundsInputs: form.roundsInputs, expandedCount: 90)
      var bits: [UInt32] = []
      runner.forEachRow(Array(parity.tokens.prefix(100)), chunk: chunk) { _, logits in
        bits += array(logits).map(\.bitPattern)
      }
      return bits
    }
    let reference = try bits(.scalar, threads: 1, chunk: 100)
    for tier in KernelTier.allCases where Kernels(tier: tier) != nil {
      #expect(try bits(tier, threads: 2, chunk: 41) == reference, "\(tier)")
    }
  }

  @Test(
    "a long context is shared out among threads, and stays the same", arguments: fastForms,
    [0, 900])
  func longContext(
    form: (latents: LatentFormat, roundsInputs: Bool), expandedCount: Int
  ) throws {
    let directory = try ParityCase("parity/v3_mtp").directory
    let tokens = (0..<1000).map { Int32($0 * 7 % 50) }
    func run(threads: Int, chunk: Int) throws -> [UInt32] {
      let runner = try SequenceRunner(
        directory: directory, threads: threads, latents: form.latents,
        roundsInputs: form.roundsInputs, pageCount: 16, expandedCount: expandedCount)
      runner.forEachRow(Array(tokens[..<960]), chunk: chunk) { _, _ in }
      // One row alone, as an answer grows.
      runner.model.decode(runner.batch(tokens[960..<961], at: 960))
      runner.model.decode(runner.batch(tokens[961...], at: 961))
      var bits: [UInt32] = []
      runner.model.logits(.decode, ofRows: Array(0..<16)).withRow(15) {
        bits = array($0).map(\.bitPattern)
      }
      return bits
    }
    let expected = try run(threads: 1, chunk: 256)
    #expect(try run(threads: 2, chunk: 100) == expected)
    #expect(try run(threads: 3, chunk: 33) == expected)
  }

  /// The same tokens, with rows of a second sequence before and after them in each pass.
  private func batchedBits(
    _ parity: ParityCase, _ tokens: [Int32], _ runner: SequenceRunner
  ) throws -> [UInt32] {
    let other = Array(tokens.reversed())
    let (ours, theirs) = (Array(runner.pages[..<4]), Array(runner.pages[4...]))
    var bits: [UInt32] = []
    for start in stride(from: 0, to: tokens.count, by: 30) {
      var batch = ForwardBatch()
      batch.append(
        Segment(firstPosition: start / 3, tokenCount: 10, pages: theirs),
        tokens: other[start / 3..<start / 3 + 10])
      batch.append(
        Segment(firstPosition: start, tokenCount: 30, pages: ours),
        tokens: tokens[start..<start + 30])
      runner.model.decode(batch)
      for block in stride(from: 10, to: 40, by: 15) {
        let logits = runner.model.logits(.decode, ofRows: Array(block..<block + 15))
        for row in 0..<15 { logits.withRow(row) { bits += array($0).map(\.bitPattern) } }
      }
    }
    return bits
  }

  @Test("smaller latents stay close, also with inputs rounded", arguments: cases, fastForms)
  func smallLatents(name: String, form: (latents: LatentFormat, roundsInputs: Bool)) throws {
    try expectAgreement(name, form, expandedCount: 0)
  }

  @Test("and so in the expanded form", arguments: cases, fastForms)
  func smallExpandedLatents(
    name: String, form: (latents: LatentFormat, roundsInputs: Bool)
  ) throws {
    try expectAgreement(name, form, expandedCount: 1000)
  }

  private func expectAgreement(
    _ name: String, _ form: (latents: LatentFormat, roundsInputs: Bool), expandedCount: Int
  ) throws {
    let parity = try ParityCase(name)
    let runner = try SequenceRunner(
      directory: parity.directory, latents: form.latents, roundsInputs: form.roundsInputs,
      expandedCount: expandedCount)
    let expected = parity.expected["logits"]!
    var agreement = 0
    runner.forEachRow(parity.tokens, chunk: 64) { position, logits in
      if largestIndex(array(logits)) == largestIndex(Array(expected.row(position))) {
        agreement += 1
      }
    }
    // Random weights leave little between the best and the next best.
    // The expanded form rounds keys and values, too.
    let isRounded = form.roundsInputs || expandedCount > 0
    let share = form.latents == .int8 ? 0.8 : isRounded ? 0.9 : 0.95
    #expect(Double(agreement) > share * Double(parity.tokens.count), "\(agreement) agree")
  }
}
