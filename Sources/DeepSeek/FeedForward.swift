// The gated feed-forward unit, down(silu(gate x) * up x): a dense layer, the shared experts, or one
// routed expert. A layer runs all its units in two parallel operations: gate and up of every unit,
// then down of every unit.

import Compute

/// Weights of one gated unit: gate and up [intermediate, hidden], down [hidden, intermediate].
struct FeedForward: Sendable {
  let gate: PackedMatrix
  let up: PackedMatrix
  let down: PackedMatrix

  var intermediateSize: Int { gate.rows }
}

/// A unit and the rows that go through it.
struct FeedForwardPass: Sendable {
  let unit: FeedForward
  /// Its rows as gate and up take them [rows, hidden].
  let gateInput: EncodedRows
  let upInput: EncodedRows
  /// Scratch, then silu(gate x) * up x in `gate` [rows, intermediate].
  let gate: Rows
  let up: Rows
  /// The same as down takes it; what is in it comes between the two operations.
  let hidden: EncodedRows
  /// [rows, hidden]
  let output: Rows

  /// The hidden state of some panels of gate and up.
  func activate(_ panels: Range<Int>, _ kernels: Kernels) {
    kernels.product(unit.gate, panels: panels, gateInput, into: gate)
    kernels.product(unit.up, panels: panels, upInput, into: up)
    let width = PackedMatrix.panelRows
    let columns = panels.lowerBound * width..<min(panels.upperBound * width, gate.width)
    let part = gate.columns(columns)
    kernels.gatedUnit(gate: part, up: up.columns(columns), into: part)
  }

  /// Some panels of down.
  func project(_ panels: Range<Int>, _ kernels: Kernels) {
    kernels.product(unit.down, panels: panels, hidden, into: output)
  }
}

/// The passes of one layer: the routed experts that rows chose, if there are any, and one unit that
/// all rows go through.
protocol FeedForwardPasses: Sendable {
  var routedCount: Int { get }
  func routed(_ number: Int) -> FeedForwardPass
  var common: FeedForwardPass? { get }
}

/// Panels of all passes as tasks.
struct FeedForwardWork<Passes: FeedForwardPasses>: ParallelWork {
  enum Stage {
    case activate
    case project
  }

  private let passes: Passes
  private let stage: Stage
  private let kernels: Kernels
  /// Panels of a task, and tasks of one routed pass and of the common one.
  private let chunk: Int
  private let routedChunks: Int
  private let commonChunks: Int

  /// Tasks of this many panels or more cost as much as handing one out is worth.
  private static var leastChunk: Int { 4 }

  init(_ passes: Passes, _ stage: Stage, _ backend: Backend) {
    self.passes = passes
    self.stage = stage
    kernels = backend.kernels
    var (cost, panels, routedPanels, commonPanels) = (0, 0, 0, 0)
    for number in 0..<passes.routedCount {
      let pass = passes.routed(number)
      cost += Self.cost(pass, stage)
      routedPanels = Self.panelCount(pass, stage)
      panels += routedPanels
    }
    if let pass = passes.common {
      cost += Self.cost(pass, stage)
      commonPanels = Self.panelCount(pass, stage)
      panels += commonPanels
    }
    let tasks = backend.taskCount(cost: cost, atMost: panels)
    chunk = tasks == 1 ? panels : max(Self.leastChunk, (panels + tasks - 1) / tasks)
    routedChunks = (routedPanels + chunk - 1) / chunk
    commonChunks = (commonPanels + chunk - 1) / chunk
  }

  var taskCount: Int { passes.routedCount * routedChunks + commonChunks }

  private static func cost(_ pass: FeedForwardPass, _ stage: Stage) -> Int {
    let (unit, rows) = (pass.unit, pass.output.count)
    return stage == .project
      ? cost(unit.down, rows: rows) : cost(unit.gate, rows: rows) + cost(unit.up, rows: rows)
  }

  private static func cost(_ matrix: PackedMatrix, rows: Int) -> Int {
    Backend.cost(multiplyAdds: matrix.multiplyAdds, bytes: matrix.byteCount, rows: rows)
  }

  private static func panelCount(_ pass: FeedForwardPass, _ stage: Stage) -> Int {
    stage == .activate ? pass.unit.gate.panelCount : pass.unit.down.panelCount
  }

  func perform(task: Int) {
    let routedTasks = passes.routedCount * routedChunks
    if task < routedTasks {
      perform(passes.routed(task / routedChunks), chunk: task % routedChunks)
    } else if let common = passes.common {
      perform(common, chunk: task - routedTasks)
    }
  }

  private func perform(_ pass: FeedForwardPass, chunk number: Int) {
    let first = number * chunk
    let panels = first..<min(first + chunk, Self.panelCount(pass, stage))
    switch stage {
    case .activate: pass.activate(panels, kernels)
    case .project: pass.project(panels, kernels)
    }
  }
}
