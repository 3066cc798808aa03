// Every intermediate of the forward pass, taken once. Shapes are [rows, width]; `rows` is the
// largest batch of any pass.

import Compute

/// Scratch memory of a model. Buffers hold what their names say from the step that fills them until
/// the next layer reuses them.
struct ActivationBuffers {
  let arena: ScratchArena
  /// The most rows of a decode pass and of a prefill pass.
  let decodeRows: Int
  let prefillRows: Int

  /// Residual stream [rows, hidden] and its normed copy. A prefill that waits between two layers
  /// keeps its own residual stream, and its final states in the same place.
  let residual: Rows
  let prefillResidual: Rows
  let normed: Rows
  /// Output of attention or feed-forward before it joins the residual stream [rows, hidden].
  let update: Rows
  /// cos and sin of each row's angles, [rows, rope]: cos first.
  let rotation: Rows

  /// Low-rank query [rows, queryRank] (one column without q_lora) and the query proper
  /// [rows, heads * (nope + rope)].
  let queryLatent: Rows
  let query: Rows
  /// Absorbed query [attentionRows, heads * (latentRank + rope)].
  let absorbedQuery: Rows
  /// Latent and rope key before they are stored [rows, latentRank + rope].
  let latent: Rows
  /// Attention-weighted latents [attentionRows, heads * latentRank], then values
  /// [rows, heads * value].
  let attended: Rows
  let values: Rows
  /// What the passes over the pages work in; in the expanded form, nil where no row has it.
  let scan: LatentScanBuffers
  let expandedScan: ExpandedScanBuffers?

  /// Gate and up projection of the dense or shared feed-forward [rows, intermediate].
  let gate: Rows
  let up: Rows
  let shared: Rows
  /// Router scores [rows, experts].
  let routerScores: Rows
  /// Rows of the routed experts, sorted by expert [rows * top-k, ...].
  let expertInput: Rows
  let expertGate: Rows
  let expertUp: Rows
  let expertOutput: Rows

  /// Inputs of products, encoded: of the rows themselves, for a second format where two matrices
  /// differ, of heads, of the rows sorted by expert, and of hidden states of gated units.
  let inputEncoding: EncodingBuffer
  let secondEncoding: EncodingBuffer
  let headEncoding: EncodingBuffer
  let expertEncoding: EncodingBuffer
  let secondExpertEncoding: EncodingBuffer
  let hiddenEncoding: EncodingBuffer
  let expertHiddenEncoding: EncodingBuffer

  /// The states that an MTP module starts from [rows, hidden], and its input
  /// [embedding | state] [rows, 2 * hidden].
  let draftInput: Rows
  let joined: Rows
  /// Output of the final norm of a decode pass [rows, hidden]: what the head, and the MTP module,
  /// see.
  let hidden: Rows
  /// Output of the last MTP module's norm [rows, hidden].
  let draftHidden: Rows
  /// Logits of as many rows as the head computes at a time [logitRows, vocabulary].
  let logits: Rows

  /// - Parameters:
  ///   - expanding: how latents are kept that prompts are computed from in the expanded form; nil
  ///     where none are.
  init(
    _ c: ModelConfiguration, decodeRows: Int, prefillRows: Int, logitRows: Int, threads: Int,
    expanding latents: LatentFormat?, arena: ScratchArena = ScratchArena()
  ) {
    self.arena = arena
    self.decodeRows = decodeRows
    self.prefillRows = prefillRows
    let rows = max(decodeRows, prefillRows)
    let heads = c.headCount
    let latentWidth = c.latentRank + c.ropeWidth
    residual = arena.rows(rows, width: c.hiddenSize)
    prefillResidual = arena.rows(prefillRows, width: c.hiddenSize)
    normed = arena.rows(rows, width: c.hiddenSize)
    update = arena.rows(rows, width: c.hiddenSize)
    rotation = arena.rows(rows, width: c.ropeWidth)
    queryLatent = arena.rows(rows, width: c.queryRank ?? 1)
    query = arena.rows(rows, width: heads * (c.nopeWidth + c.ropeWidth))
    let attentionRows = Self.attentionRows(c, rows: rows, threads: threads)
    absorbedQuery = arena.rows(attentionRows, width: heads * latentWidth)
    latent = arena.rows(rows, width: latentWidth)
    attended = arena.rows(attentionRows, width: heads * c.latentRank)
    values = arena.rows(rows, width: heads * c.valueWidth)
    scan = LatentScanBuffers(c, rows: attentionRows, threads: threads, arena: arena)
    expandedScan = latents.map {
      ExpandedScanBuffers(c, rows: rows, latents: $0, threads: threads, arena: arena)
    }
    let widest = max(c.intermediateSize, c.expertIntermediateSize * c.sharedExpertCount)
    gate = arena.rows(rows, width: widest)
    up = arena.rows(rows, width: widest)
    shared = arena.rows(rows, width: c.hiddenSize)
    routerScores = arena.rows(rows, width: c.routedExpertCount)
    let routed = rows * c.expertsPerToken
    expertInput = arena.rows(routed, width: c.hiddenSize)
    expertGate = arena.rows(routed, width: c.expertIntermediateSize)
    expertUp = arena.rows(routed, width: c.expertIntermediateSize)
    expertOutput = arena.rows(routed, width: c.hiddenSize)
    let input = max(2 * c.hiddenSize, heads * c.valueWidth, c.queryRank ?? 1)
    inputEncoding = EncodingBuffer(arena, count: rows, width: input)
    secondEncoding = EncodingBuffer(arena, count: rows, width: c.hiddenSize)
    headEncoding = EncodingBuffer(
      arena, count: attentionRows * heads, width: max(c.nopeWidth, c.latentRank))
    expertEncoding = EncodingBuffer(arena, count: routed, width: c.hiddenSize)
    secondExpertEncoding = EncodingBuffer(arena, count: routed, width: c.hiddenSize)
    hiddenEncoding = EncodingBuffer(arena, count: rows, width: widest)
    expertHiddenEncoding = EncodingBuffer(
      arena, count: routed, width: c.expertIntermediateSize)
    draftInput = arena.rows(rows, width: c.hiddenSize)
    joined = arena.rows(rows, width: 2 * c.hiddenSize)
    hidden = arena.rows(decodeRows, width: c.hiddenSize)
    draftHidden = arena.rows(rows, width: c.hiddenSize)
    logits = arena.rows(logitRows, width: c.vocabularySize)
  }
  /// Rows of a pass whose attention is computed together: enough for every thread, few enough for
  /// a thread's share to stay in its second-level cache.
  private static func attentionRows(_ c: ModelConfiguration, rows: Int, threads: Int) -> Int {
    min(rows, max(leastAttentionRows, lanesPerThread * threads / c.headCount))
  }

  /// (row, head) pairs.
  private static let lanesPerThread = 512
  /// So many rows share the reading of the matrices of a head.
  private static let leastAttentionRows = 32
}
