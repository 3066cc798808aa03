// From stored matrices to panels in memory of their own. The same walk over a model's tensors plans
// the memory first and fills it later: what is asked for in the same order lies at the same places.

import Compute
import Platform

/// Gives stored matrices their places in one piece of memory, and packs them.
public final class WeightPacker: @unchecked Sendable {
  // Unchecked: one thread places all matrices before others see it.
  private struct Job {
    let matrix: PackedMatrix
    let offset: Int
    let source: StoredMatrix
    let isTransposed: Bool
  }

  private let memory: LargeMemory?
  private var jobs: [Job] = []
  /// What the matrices take, in bytes.
  public private(set) var byteCount = 0

  /// - Parameter memory: nil to plan.
  public init(memory: LargeMemory?) { self.memory = memory }

  /// A place for the matrix.
  public func place(_ source: StoredMatrix) -> PackedMatrix {
    place(PackedMatrix(source, at: byteCount, of: memory), source, isTransposed: false)
  }

  /// A place for the matrix with its columns as rows. A transposed block would not be one of its
  /// format, so the elements become bfloat16, or float32 where they are not that already.
  /// - Parameter isRounded: whether quantised elements become bfloat16, too.
  public func place(transposed source: StoredMatrix, isRounded: Bool = false) -> PackedMatrix {
    place(
      PackedMatrix(transposed: source, isRounded: isRounded, at: byteCount, of: memory), source,
      isTransposed: true)
  }

  private func place(
    _ matrix: PackedMatrix, _ source: StoredMatrix, isTransposed: Bool
  ) -> PackedMatrix {
    jobs.append(
      Job(matrix: matrix, offset: byteCount, source: source, isTransposed: isTransposed))
    byteCount += matrix.byteCount
    return matrix
  }

  /// Has the memory taken by threads of the nodes that will read it. To be called before anything
  /// is filled; of use, and done, on machines with several memory nodes only.
  public func settle(on pool: WorkerPool) {
    guard let memory, pool.nodes.count > 1 else { return }
    let placement = NodePlacement(
      jobs.map { ($0.offset, $0.matrix.panelBytes, $0.matrix.panelCount) }, nodes: pool.nodes,
      byteCount: byteCount)
    // One long task each, so that no thread takes another's.
    pool.run(
      tasks: pool.threadCount,
      SettlingWork(placement: placement, memory: memory, nodes: pool.nodes))
  }

  /// Fills all places. Reads the sources once, in the order in which they were placed.
  /// - Parameter progress: called now and then with the bytes that are packed.
  public func pack(on pool: WorkerPool, progress: (Int) -> Void) {
    var tasks: [PackingTask] = []
    for job in jobs {
      let size = max(1, Self.taskBytes / job.matrix.panelBytes)
      for first in stride(from: 0, to: job.matrix.panelCount, by: size) {
        let panels = first..<min(first + size, job.matrix.panelCount)
        tasks.append(
          PackingTask(
            matrix: job.matrix, source: job.source, isTransposed: job.isTransposed,
            panels: panels))
      }
    }
    var packed = 0
    for first in stride(from: 0, to: tasks.count, by: Self.tasksPerReport) {
      let some = tasks[first..<min(first + Self.tasksPerReport, tasks.count)]
      pool.run(tasks: some.count, PackingWork(tasks: some))
      packed += some.reduce(0) { $0 + $1.panels.count * $1.matrix.panelBytes }
      // Read once: what stayed resident would count twice.
      for task in some { task.source.release() }
      progress(packed)
    }
  }

  /// What lies where, in words: equal descriptions mean equal layouts.
  var layout: String {
    jobs.map { job in
      let kind = job.isTransposed ? "transposed" : "rows"
      return "\(job.matrix.format.rawValue) \(job.matrix.rows)x\(job.matrix.columns) \(kind)"
    }.joined(separator: "\n")
  }

  /// A task packs about so many bytes; so many tasks make a report of progress.
  private static let taskBytes = 1 << 20
  private static let tasksPerReport = 64
}

private struct PackingTask: Sendable {
  let matrix: PackedMatrix
  let source: StoredMatrix
  let isTransposed: Bool
  let panels: Range<Int>
}

private struct PackingWork: ParallelWork {
  let tasks: ArraySlice<PackingTask>

  func perform(task number: Int) {
    let task = tasks[tasks.startIndex + number]
    for panel in task.panels {
      if task.isTransposed {
        task.matrix.pack(panel: panel, fromTransposed: task.source)
      } else {
        task.matrix.pack(panel: panel, from: task.source)
      }
    }
  }
}
