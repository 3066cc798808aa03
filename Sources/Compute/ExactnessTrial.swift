// Small products of one format tried out alone: whether a tier returns the bits of the definition.

import Platform

/// A matrix of odd shape and inputs for it.
///
/// All calls come from one thread, and nobody else uses the pool meanwhile.
struct ExactnessTrial: Sendable {
  private let pool: WorkerPool
  private let weights: SampleWeights
  private let inputs: Rows
  private let buffer: EncodingBuffer
  /// Of the definition and of what is compared with it.
  private let results: [Rows]
  private let arena = ScratchArena()

  /// Rows of weights: two whole panels and half of one.
  private static let outputs = 40

  /// Makes the weights and packs them.
  /// - Parameter rowLimit: the most rows of inputs.
  /// - Throws: when the system does not give the memory.
  init(_ format: ElementFormat, rowLimit: Int, on pool: WorkerPool) throws(PlatformError) {
    self.pool = pool
    let columns = format.isQuantised ? 3 * format.blockLength : 75
    weights = try SampleWeights(
      format, rows: Self.outputs, columns: columns, copies: 1, on: pool)
    inputs = arena.rows(rowLimit, width: columns)
    inputs.fillRandomly()
    buffer = EncodingBuffer(arena, count: rowLimit, width: columns)
    let arena = arena
    results = (0..<2).map { _ in arena.rows(rowLimit, width: Self.outputs) }
  }

  /// Whether a product of so many rows has the bits of the scalar definition.
  func isExact(_ kernels: Kernels, rows: Int) -> Bool {
    guard
      let reference = Kernels(
        tier: .scalar, roundsInputs: kernels.roundsInputs,
        quantisesInputs: kernels.quantisesInputs)
    else { preconditionFailure("every build has the scalar tier") }
    for (kernels, y) in zip([reference, kernels], results) {
      let backend = Backend(kernels: kernels, pool: pool)
      backend.linear(
        weights.matrices[0], inputs.rows(0..<rows), using: buffer, into: y.rows(0..<rows))
    }
    return (0..<rows).allSatisfy { row in
      results[0].withRow(row) { first in
        results[1].withRow(row) { second in
          first.indices.allSatisfy { first[$0].bitPattern == second[$0].bitPattern }
        }
      }
    }
  }
}
