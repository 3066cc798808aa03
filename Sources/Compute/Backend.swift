// Kernels and threads together: the operations of a forward pass, split over the pool.

/// Where a model computes. Splitting never changes a bit: each output element is computed by one
/// thread over its whole inner dimension.
public struct Backend: Sendable {
  /// The tier's operations, for work within one task.
  public let kernels: Kernels
  /// The threads that share the work of one operation.
  public let pool: WorkerPool

  /// All threads of the pool use the same tier.
  public init(kernels: Kernels, pool: WorkerPool) {
    self.kernels = kernels
    self.pool = pool
  }

  /// Below this many multiply-adds, some six microseconds, another thread gains little: handing
  /// work over and waiting for its end takes one microsecond, more if the thread has to wake.
  private static let worthSplitting = 1 << 18
  /// Splits fall on multiples of the kernels' tiles.
  private static let outputGranule = 8

  /// Whether a piece of work is large enough for more than one thread.
  public func isWorthSplitting(multiplyAdds: Int) -> Bool {
    pool.threadCount > 1 && multiplyAdds >= Self.worthSplitting
  }

  /// How many equal tasks a piece of work should become.
  public func taskCount(multiplyAdds: Int, atMost limit: Int) -> Int {
    isWorthSplitting(multiplyAdds: multiplyAdds) ? max(1, min(limit, pool.threadCount)) : 1
  }

  /// The part of `0 ..< count` that task `number` of `tasks` takes, on multiples of `granule`.
  public static func share(of count: Int, task number: Int, of tasks: Int, granule: Int)
    -> Range<Int>
  {
    let granules = (count + granule - 1) / granule
    let lower = granules * number / tasks * granule
    let upper = granules * (number + 1) / tasks * granule
    return min(lower, count)..<min(upper, count)
  }

  /// y = x * matrix^T: x [rows, columns of the matrix], y [rows, rows of the matrix].
  /// - Parameter exactly: with x as it is, even if the kernels round inputs.
  public func linear(
    _ matrix: MatrixView, _ x: Rows, into y: Rows, exactly: Bool = false
  ) {
    precondition(y.width == matrix.rows, "output width")
    let tasks = taskCount(
      multiplyAdds: x.count * matrix.rows * matrix.columns,
      atMost: (matrix.rows + Self.outputGranule - 1) / Self.outputGranule)
    pool.run(
      tasks: tasks,
      LinearWork(
        matrix: matrix, x: x, y: y, exactly: exactly, tasks: tasks, kernels: kernels))
  }

  private struct LinearWork: ParallelWork {
    let matrix: MatrixView
    let x: Rows
    let y: Rows
    let exactly: Bool
    let tasks: Int
    let kernels: Kernels

    func perform(task: Int) {
      let part = share(of: matrix.rows, task: task, of: tasks, granule: outputGranule)
      guard !part.isEmpty else { return }
      if exactly {
        kernels.linear(matrix, outputs: part, x, into: y.columns(part))
      } else {
        kernels.project(matrix, outputs: part, x, into: y.columns(part))
      }
    }
  }
}
