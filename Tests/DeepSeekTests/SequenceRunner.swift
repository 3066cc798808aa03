// Runs one sequence through a model, as the tests of this target need it.

import Compute
import DeepSeek
import Weights

/// A model over one sequence, fed in chunks.
struct SequenceRunner {
  let model: DeepSeekModel
  let pages: [PageIndex]
  /// Positions below are computed in the expanded form.
  let expandedCount: Int

  init(
    directory: String, tier: KernelTier? = nil, threads: Int = 1,
    latents: LatentFormat = .float32, roundsInputs: Bool = false, pageCount: Int = 8,
    expandedCount: Int = 0
  ) throws {
    try self.init(
      try Checkpoint.open(directory: directory), tier: tier, threads: threads, latents: latents,
      roundsInputs: roundsInputs, pageCount: pageCount, expandedCount: expandedCount)
  }

  init(
    _ checkpoint: Checkpoint, tier: KernelTier? = nil, threads: Int = 1,
    latents: LatentFormat = .float32, roundsInputs: Bool = false, pageCount: Int = 8,
    expandedCount: Int = 0
  ) throws {
    let pool = try WorkerPool(threadCount: threads)
    self.expandedCount = expandedCount
    let form = expandedCount > 0 ? PromptAttention.expanded : .absorbed
    let weights = try ModelWeights(checkpoint, promptAttention: form).packed(on: pool)
    let shape = LatentShape(weights.configuration, format: latents)
    let kernels = Kernels(
      tier: tier ?? Kernels.best.tier, roundsInputs: roundsInputs, quantisesInputs: roundsInputs)!
    model = DeepSeekModel(
      weights: weights,
      backend: Backend(kernels: kernels, pool: pool),
      storage: try LatentStorage(shape: shape, pageCount: pageCount), decodeRows: 256,
      prefillRows: 256, logitRows: 16)
    // Not in order, so that a page number used as a position would show.
    pages = (0..<pageCount).reversed().map { PageIndex($0) }
  }

  /// Calls `body` with the logits of every position, computed in chunks of the given size.
  func forEachRow(
    _ tokens: [Int32], chunk: Int, body: (_ position: Int, _ logits: Span<Float>) -> Void
  ) {
    for start in stride(from: 0, to: tokens.count, by: chunk) {
      let part = tokens[start..<min(start + chunk, tokens.count)]
      model.decode(batch(part, at: start))
      for row in stride(from: 0, to: part.count, by: model.logitRowCapacity) {
        let block = row..<min(row + model.logitRowCapacity, part.count)
        let logits = model.logits(.decode, ofRows: Array(block))
        for index in 0..<block.count {
          logits.withRow(index) { body(start + row + index, $0) }
        }
      }
    }
  }

  func batch(
    _ tokens: some Collection<Int32>, at start: Int, firstVisible: Int = 0
  ) -> ForwardBatch {
    var batch = ForwardBatch()
    batch.append(
      Segment(
        firstPosition: start, tokenCount: tokens.count, pages: pages, firstVisible: firstVisible,
        expandedCount: firstVisible > 0 ? 0 : expandedCount),
      tokens: tokens)
    return batch
  }
}

func array(_ span: Span<Float>) -> [Float] { span.indices.map { span[$0] } }

func largestIndex(_ values: [Float]) -> Int { values.indices.max { values[$0] < values[$1] }! }
