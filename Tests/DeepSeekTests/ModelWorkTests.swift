// What passes read and compute, against sums written out by hand for a small model, and the
// stopwatch of their operations.

import Compute
import DeepSeek
import Platform
import TestSupport
import Testing
import Weights

@Suite("Work of passes")
struct ModelWorkTests {
  private let weights: ModelWeights

  init() throws {
    weights = try ModelWeights(try Checkpoint.open(directory: Fixtures.path("parity/v3_mtp")))
  }

  private func work(_ format: LatentFormat = .float32, rounds: Bool = false) throws -> ModelWork {
    let kernels = try #require(Kernels(tier: .scalar, roundsInputs: rounds))
    return ModelWork(
      weights, latents: LatentShape(weights.configuration, format: format), kernels: kernels)
  }

  /// Two passes of five rows together, with six and four experts read.
  private var load: PassLoad {
    var load = PassLoad()
    (load.passes, load.rows) = (2, 5)
    (load.attendedPositions, load.readPositions) = (100, 40)
    (load.headPasses, load.headRows) = (2, 5)
    load.activeExperts = [1: 6, 2: 4, 3: 7]
    return load
  }

  /// Hidden 128, 4 heads of 32 + 16 and 24, latents 48 + 16, query rank 64; three layers, the first
  /// one dense with 256, the others with 8 experts of 64, of which a token takes 2, and a shared
  /// one; vocabulary 512. Weights are bfloat16 in panels of 16 rows.
  private static let expected: [(PassOperation, bytes: Double, multiplyAdds: Double)] = [
    // [64, 128], [192, 64] and [64, 128] in three layers.
    (.attentionProjections, 2 * 3 * 57_344, 5 * 3 * 28_672),
    // Four times [48, 32], then four times [24, 48], of which a panel holds 32 rows.
    (.absorption, 2 * 3 * 12_288, 5 * 3 * 6_144),
    (.contextExpansion, 0, 0),
    (.latentScan, 40 * 3 * 64 * 4, 100 * 3 * 4 * (48 + 16 + 48)),
    (.valueExpansion, 2 * 3 * 12_288, 5 * 3 * 4_608),
    // [128, 96]
    (.attentionOutput, 2 * 3 * 24_576, 5 * 3 * 12_288),
    // [8, 128] in two layers, in a panel of 16 rows.
    (.router, 2 * 2 * 4_096, 5 * 2 * 1_024),
    // Twice [64, 128] of ten routed experts and of two shared ones in each pass; three for a row.
    (.expertsActivate, (10 + 2 * 2) * 32_768, 5 * 2 * 3 * 16_384),
    (.expertsProject, (10 + 2 * 2) * 16_384, 5 * 2 * 3 * 8_192),
    (.denseActivate, 2 * 131_072, 5 * 65_536),
    (.denseProject, 2 * 65_536, 5 * 32_768),
    (.draftInput, 0, 0),
    (.head, 2 * 131_072, 5 * 65_536),
    (.sampling, 0, 0),
    (.other, 0, 0),
  ]

  @Test("main passes of a small model, operation by operation")
  func mainPasses() throws {
    let found = try work().work(of: .main, load)
    #expect(Self.expected.map(\.0) == PassOperation.allCases)
    for (operation, bytes, multiplyAdds) in Self.expected {
      #expect(found[operation].bytes == bytes, "\(operation)")
      #expect(found[operation].multiplyAdds[.float32] == multiplyAdds, "\(operation)")
    }
    #expect(found.total.bytes == Self.expected.reduce(0) { $0 + $1.bytes })
    #expect(found.total.multiplyAdds.sum == Self.expected.reduce(0) { $0 + $1.multiplyAdds })
  }

  @Test("rows in the expanded form count for what is made for them instead")
  func expandedRows() throws {
    let weights = try ModelWeights(
      try Checkpoint.open(directory: Fixtures.path("parity/v3_mtp")), promptAttention: .expanded)
    let kernels = try #require(Kernels(tier: .scalar))
    let work = ModelWork(
      weights, latents: LatentShape(weights.configuration, format: .float32), kernels: kernels)
    var load = load
    (load.expandedRows, load.expandedPositions, load.madePositions) = (3, 60, 30)
    let found = work.work(of: .main, load)
    #expect(found[.absorption].multiplyAdds.sum == 2 * 3 * 6_144)
    #expect(found[.valueExpansion].multiplyAdds.sum == 2 * 3 * 4_608)
    // Four times [32, 48] and, in panels of 32 rows, [24, 48].
    #expect(found[.contextExpansion].multiplyAdds.sum == 30 * 3 * (6_144 + 4_608))
    #expect(found[.contextExpansion].bytes == 2 * 3 * (12_288 + 12_288))
    let absorbed: Double = 100 * 3 * 4 * (48 + 16 + 48)
    let expanded: Double = 60 * 3 * 4 * (32 + 16 + 24)
    #expect(found[.latentScan].multiplyAdds.sum == absorbed + expanded)
  }

  @Test("each product counts for the arithmetic that it is computed in")
  func arithmetic() throws {
    let found = try work(.bfloat16, rounds: true).work(of: .main, load)
    for (operation, _, multiplyAdds) in Self.expected {
      // The router takes its inputs as they are.
      let kind: Arithmetic = operation == .router ? .float32 : .bfloat16
      #expect(found[operation].multiplyAdds[kind] == multiplyAdds, "\(operation)")
      #expect(found[operation].multiplyAdds.sum == multiplyAdds, "\(operation)")
    }
    #expect(found[.latentScan].bytes == 40 * 3 * 64 * 2)
  }

  @Test("draft passes have one mixture layer, the joined input and a head of their own")
  func draftPasses() throws {
    let found = try work().work(of: .draft, load)
    #expect(found[.draftInput].bytes == 2 * 65_536)
    #expect(found[.draftInput].multiplyAdds.sum == 5 * 32_768)
    #expect(found[.attentionProjections].bytes == 2 * 57_344)
    #expect(found[.expertsProject].bytes == (7 + 2) * 16_384)
    #expect(found[.head].bytes == 2 * 131_072)
    #expect(found[.denseActivate].bytes == 0 && found[.latentScan].bytes == 0)
  }

  @Test("every operation of a pass is timed, and no time twice")
  func profile() throws {
    let pool = try WorkerPool(threadCount: 1)
    let profile = PassProfile()
    let model = DeepSeekModel(
      weights: try weights.packed(on: pool),
      backend: Backend(kernels: .best, pool: pool, clock: profile.clock),
      storage: try LatentStorage(
        shape: LatentShape(weights.configuration, format: .float32), pageCount: 1),
      decodeRows: 4, prefillRows: 4, logitRows: 4)
    func batch(_ position: Int) -> ForwardBatch {
      var batch = ForwardBatch()
      batch.append(
        Segment(
          firstPosition: position, tokenCount: 1, pages: [PageIndex(0)],
          firstVisible: min(position, 1)), tokens: [5])
      return batch
    }
    let start = MonotonicClock.nanoseconds
    profile.restart()
    model.decode(batch(0))
    _ = model.logits(.decode, ofRows: [0])
    model.draft(batch(1), from: [.row(.decode, 0)])
    _ = model.draftLogits(ofRows: [0])
    let times = profile.times
    let elapsed = Double(MonotonicClock.nanoseconds - start) / 1e9
    var sum = 0.0
    for kind in PassKind.allCases {
      for operation in PassOperation.allCases {
        sum += times[kind, operation]
        let isAbsent =
          operation == .contextExpansion
          || (kind == .main
            ? operation == .draftInput : [.denseActivate, .denseProject].contains(operation))
        #expect((times[kind, operation] == 0) == isAbsent, "\(kind) \(operation)")
      }
    }
    #expect(sum > 0 && sum <= elapsed)
    let counter = AllocationCounter()
    counter.start()
    for _ in 0..<100 { profile.clock.lap(3) }
    #expect(counter.stop() == 0)
    profile.restart()
    #expect(profile.times[.main, .head] == 0)
  }
}
