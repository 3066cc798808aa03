// Kernels and threads together: the operations of a forward pass, split over the pool.

/// Where a model computes. Splitting never changes a bit: each output element is computed by one
/// thread over its whole inner dimension.
public struct Backend: Sendable {
  /// The tier's operations, for work within one task.
  public let kernels: Kernels
  /// The threads that share the work of one operation.
  public let pool: WorkerPool
  /// Told of the end of every operation; nil unless somebody measures.
  public let clock: OperationClock?

  /// All threads of the pool use the same tier.
  public init(kernels: Kernels, pool: WorkerPool, clock: OperationClock? = nil) {
    self.kernels = kernels
    self.pool = pool
    self.clock = clock
  }

  /// Work that another thread gains little by, in `cost` units: handing it over and waiting for
  /// its end takes a microsecond, more if the thread has to wake.
  private static let worthSplitting = 5_000
  /// Work of one task, where there is much more: tasks are claimed one by one, so small ones even
  /// out what threads get done.
  private static let taskCost = 20_000

  /// About the nanoseconds that one thread takes to multiply `rows` rows with weights of so many
  /// bytes: reading them, or the multiplications.
  public static func cost(multiplyAdds: Int, bytes: Int, rows: Int) -> Int {
    max(bytes / 16, rows * multiplyAdds / 128)
  }

  /// Whether work of some cost is large enough for more than one thread.
  public func isWorthSplitting(cost: Int) -> Bool {
    pool.threadCount > 1 && cost >= Self.worthSplitting
  }

  /// How many equal tasks work of some cost should become.
  public func taskCount(cost: Int, atMost limit: Int) -> Int {
    guard isWorthSplitting(cost: cost) else { return 1 }
    return max(1, min(limit, max(pool.threadCount, cost / Self.taskCost)))
  }

  /// The part of `0 ..< count` that task `number` of `tasks` takes, on multiples of `granule`.
  public static func share(of count: Int, task number: Int, of tasks: Int, granule: Int = 1)
    -> Range<Int>
  {
    let granules = (count + granule - 1) / granule
    let lower = granules * number / tasks * granule
    let upper = granules * (number + 1) / tasks * granule
    return min(lower, count)..<min(upper, count)
  }

  // MARK: - Rows

  /// Does something for every row, on several threads where that is worth it.
  /// - Parameter cost: of one row.
  public func forEachRow(_ count: Int, cost: Int, _ work: some RowWork) {
    let tasks = taskCount(cost: count * cost, atMost: count)
    pool.run(tasks: tasks, RowTasks(work: work, count: count, tasks: tasks))
  }

  private struct RowTasks<Work: RowWork>: ParallelWork {
    let work: Work
    let count: Int
    let tasks: Int

    func perform(task: Int) {
      let rows = share(of: count, task: task, of: tasks)
      if !rows.isEmpty { work.perform(rows: rows) }
    }
  }

  // MARK: - Products

  /// `x` as products with weights of a format take it, in the buffer's memory if it has to change.
  /// - Parameter exactly: as it is, whatever the format.
  public func encode(
    _ x: Rows, for format: ElementFormat, in buffer: EncodingBuffer, exactly: Bool = false
  ) -> EncodedRows {
    let encoded = place(x, for: format, in: buffer, exactly: exactly)
    fill(encoded, from: x)
    return encoded
  }

  /// Where `encode` puts rows: the rows themselves if they stay as they are.
  public func place(
    _ x: Rows, for format: ElementFormat, in buffer: EncodingBuffer, exactly: Bool = false
  ) -> EncodedRows {
    let encoding = kernels.encoding(for: format, exactly: exactly)
    return encoding == .float32
      ? EncodedRows(x) : buffer.rows(x.count, width: x.width, encoding)
  }

  /// Encodes rows whose place is known.
  public func fill(_ encoded: EncodedRows, from x: Rows) {
    guard encoded.encoding != .float32 else { return }
    forEachRow(x.count, cost: x.width / 4, Encoding(x: x, encoded: encoded, kernels: kernels))
  }

  /// Whether products with weights of two formats take the same inputs.
  public func takesAlike(_ first: ElementFormat, _ second: ElementFormat) -> Bool {
    kernels.encoding(for: first, exactly: false) == kernels.encoding(for: second, exactly: false)
  }

  private struct Encoding: RowWork {
    let x: Rows
    let encoded: EncodedRows
    let kernels: Kernels

    func perform(rows: Range<Int>) { kernels.encode(x.rows(rows), into: encoded.rows(rows)) }
  }

  /// y = x * matrix^T: x [rows, columns of the matrix], y [rows, rows of the matrix].
  public func linear(_ matrix: PackedMatrix, _ x: EncodedRows, into y: Rows) {
    linear(Product(matrix, x, into: y), nil)
  }

  /// The same with `x` encoded in the buffer first.
  /// - Parameter exactly: with x as it is, even if the kernels round inputs.
  public func linear(
    _ matrix: PackedMatrix, _ x: Rows, using buffer: EncodingBuffer, into y: Rows,
    exactly: Bool = false
  ) {
    linear(matrix, encode(x, for: matrix.format, in: buffer, exactly: exactly), into: y)
  }

  /// Two products side by side.
  public func linear(_ first: Product, _ second: Product?) {
    let tasks = taskCount(
      cost: first.cost + (second?.cost ?? 0), atMost: first.panelCount + (second?.panelCount ?? 0))
    pool.run(
      tasks: tasks,
      Products(
        first: first, second: second, tasks: tasks, nodes: nodes(forTasks: tasks),
        kernels: kernels))
  }

  /// The nodes whose parts make so many tasks: all of them if every thread has something to do.
  public func nodes(forTasks tasks: Int) -> NodeShares {
    tasks < pool.threadCount ? .single : pool.nodes
  }

  private struct Products: ParallelWork {
    let first: Product
    let second: Product?
    let tasks: Int
    let nodes: NodeShares
    let kernels: Kernels

    /// The tasks of a node share out its parts of both matrices.
    func perform(task: Int) {
      let (node, own) = nodes.part(of: tasks, containing: task)
      let firstPart = nodes.part(of: first.panelCount, node: node)
      let secondPart = nodes.part(of: second?.panelCount ?? 0, node: node)
      let part = share(
        of: firstPart.count + secondPart.count, task: task - own.lowerBound, of: own.count)
      first.perform(firstPart.dropFirst(part.lowerBound).prefix(part.count), kernels)
      let skipped = max(part.lowerBound - firstPart.count, 0)
      let count = part.upperBound - max(part.lowerBound, firstPart.count)
      if count > 0 { second?.perform(secondPart.dropFirst(skipped).prefix(count), kernels) }
    }
  }
}

/// What is done for rows that do not depend on each other.
public protocol RowWork: Sendable {
  /// Does some of the rows; called on any thread.
  func perform(rows: Range<Int>)
}

/// One product of encoded rows with a matrix.
public struct Product: Sendable {
  let matrix: PackedMatrix
  let x: EncodedRows
  let y: Rows

  /// y = x * matrix^T.
  public init(_ matrix: PackedMatrix, _ x: EncodedRows, into y: Rows) {
    precondition(x.width == matrix.columns && y.width == matrix.rows, "shapes")
    precondition(x.count == y.count, "rows")
    self.matrix = matrix
    self.x = x
    self.y = y
  }

  /// What can be shared out.
  public var panelCount: Int { matrix.panelCount }

  /// See `Backend.cost`.
  public var cost: Int {
    Backend.cost(multiplyAdds: matrix.multiplyAdds, bytes: matrix.byteCount, rows: x.count)
  }

  /// Computes some panels' outputs on the calling thread.
  public func perform(_ panels: Range<Int>, _ kernels: Kernels) {
    if !panels.isEmpty { kernels.product(matrix, panels: panels, x, into: y) }
  }
}
