// Products of one format tried out alone: whether every tier returns the bits of the definition,
// and how fast it is.

import CKernels
import Platform

/// Weights of one format, random but of ordinary size, for trials of the kernels.
///
/// All calls come from one thread, and nobody else uses the pool meanwhile.
public final class KernelTrial: Sendable {
  /// How fast products were, all threads together.
  public struct Rate: Sendable, Equatable {
    /// Bytes of weights and multiply-adds, per second.
    public let bytesPerSecond: Double
    public let multiplyAddsPerSecond: Double
  }

  /// What the weights are encoded in.
  public let format: ElementFormat
  private let pool: WorkerPool
  /// A matrix of odd shape, for comparing.
  private let small: SampleWeights
  /// Equal matrices one behind the other, for timing.
  private let large: SampleWeights
  private let inputs: Rows
  private let buffer: EncodingBuffer
  /// Of the definition and of what is compared with it.
  private let results: [Rows]
  /// By task.
  private let outputs: [Rows]
  private let arena = ScratchArena()

  /// The most rows of inputs.
  public static let rowLimit = 512
  /// Rows of weights and columns; whole blocks of every format.
  private static let largeShape = (rows: 256, columns: 2048)
  private static let smallRows = 40
  /// Weights that stay in a core's own cache beside inputs.
  private static let cachedBytes = 256 << 10
  /// Seconds of a measurement, and of a trial that is long enough to count as one.
  private static let seconds = 0.004
  private static let enough = 0.02
  private static let repetitions = 4

  /// Makes the weights and packs them.
  /// - Parameter memory: the bytes of weights that are read where they should come from memory.
  /// - Throws: when the system does not give the memory.
  public init(_ format: ElementFormat, on pool: WorkerPool, memory: Int) throws(PlatformError) {
    self.format = format
    self.pool = pool
    let smallColumns = format.isQuantised ? 2 * format.blockLength : 75
    small = try SampleWeights(
      format, rows: Self.smallRows, columns: smallColumns, copies: 1, on: pool)
    let (rows, columns) = Self.largeShape
    let bytes = rows * format.byteCount(of: columns)
    large = try SampleWeights(
      format, rows: rows, columns: columns, copies: max(pool.threadCount, memory / bytes), on: pool)
    inputs = arena.rows(Self.rowLimit, width: columns)
    buffer = EncodingBuffer(arena, count: Self.rowLimit, width: columns)
    var generator = SplitMix(seed: 1)
    for row in 0..<inputs.count {
      inputs.withMutableRow(row) { span in
        for index in span.indices { span[index] = generator.unit() }
      }
    }
    let arena = arena
    results = (0..<2).map { _ in arena.rows(Self.rowLimit, width: Self.smallRows) }
    outputs = (0..<pool.threadCount).map { _ in arena.rows(Self.rowLimit, width: rows) }
  }

  /// Whether a product of so many rows has the bits of the scalar definition.
  public func isExact(_ kernels: Kernels, rows: Int) -> Bool {
    guard
      let reference = Kernels(
        tier: .scalar, roundsInputs: kernels.roundsInputs,
        quantisesInputs: kernels.quantisesInputs)
    else { preconditionFailure("every build has the scalar tier") }
    let x = inputs.rows(0..<rows).columns(0..<small.matrices[0].columns)
    for (kernels, y) in zip([reference, kernels], results) {
      let backend = Backend(kernels: kernels, pool: pool)
      backend.linear(small.matrices[0], x, using: buffer, into: y.rows(0..<rows))
    }
    return (0..<rows).allSatisfy { row in
      results[0].withRow(row) { first in
        results[1].withRow(row) { second in
          first.indices.allSatisfy { first[$0].bitPattern == second[$0].bitPattern }
        }
      }
    }
  }

  /// The rate of products with weights in the caches of each thread.
  public func cachedRate(_ kernels: Kernels, rows: Int) -> Rate {
    let panel = large.matrices[0].panelBytes
    let most = max(1, min(large.matrices[0].panelCount, Self.cachedBytes / panel))
    var work = work(kernels, rows: rows, panels: 1)
    var trial = min(seconds(work), seconds(work))
    guard trial < Self.enough else { return rate(work, seconds: trial) }
    work.panels = max(1, min(most, Int(Self.enough / trial)))
    trial = seconds(work)
    work.repeats = max(1, Int(Self.seconds / trial))
    return rate(work, seconds: best(work))
  }

  /// The rate of products of one row with weights from memory.
  public func streamedRate(_ kernels: Kernels) -> Rate {
    var work = work(kernels, rows: 1, panels: large.matrices[0].panelCount)
    let trial = max(seconds(work), 1e-9)
    let most = large.matrices.count / pool.threadCount
    work.matricesPerTask = max(1, min(most, Int(2 * Self.enough / trial)))
    return rate(work, seconds: best(work))
  }

  private func work(_ kernels: Kernels, rows: Int, panels: Int) -> ProductLoop {
    let x = Backend(kernels: kernels, pool: pool).encode(
      inputs.rows(0..<rows), for: format, in: buffer)
    return ProductLoop(
      matrices: large.matrices, x: x, outputs: outputs, kernels: kernels, panels: panels)
  }

  private func best(_ work: ProductLoop) -> Double {
    (0..<Self.repetitions).map { _ in seconds(work) }.min() ?? 1
  }

  private func seconds(_ work: ProductLoop) -> Double {
    let start = MonotonicClock.nanoseconds
    pool.run(tasks: pool.threadCount, work)
    return Double(max(1, MonotonicClock.nanoseconds - start)) / 1e9
  }

  private func rate(_ work: ProductLoop, seconds: Double) -> Rate {
    let panels = pool.threadCount * work.matricesPerTask * work.repeats * work.panels
    let matrix = large.matrices[0]
    let products = panels * PackedMatrix.panelRows * matrix.columns * work.x.count
    return Rate(
      bytesPerSecond: Double(panels * matrix.panelBytes) / seconds,
      multiplyAddsPerSecond: Double(products) / seconds)
  }
}

/// The same products again and again, each task with matrices of its own.
private struct ProductLoop: ParallelWork {
  let matrices: [PackedMatrix]
  let x: EncodedRows
  let outputs: [Rows]
  let kernels: Kernels
  /// Of each matrix.
  var panels: Int
  var matricesPerTask = 1
  var repeats = 1

  func perform(task: Int) {
    let first = task * matricesPerTask
    for _ in 0..<repeats {
      for number in first..<first + matricesPerTask {
        kernels.product(
          matrices[number], panels: 0..<panels, x, into: outputs[task].rows(0..<x.count))
      }
    }
  }
}
