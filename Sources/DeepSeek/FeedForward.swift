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

/// Panels of all passes as tasks: node by node its part of each matrix, of the routed passes first.
struct FeedForwardWork<Passes: FeedForwardPasses>: ParallelWork {
  enum Stage {
    case activate
    case project
  }

  private let passes: Passes
  private let stage: Stage
  private let kernels: Kernels
  private let nodes: NodeShares
  /// Panels of a task, of one routed pass and of the common one.
  private let chunk: Int
  private let routedPanels: Int
  private let commonPanels: Int

  /// Tasks of this many panels or more cost as much as handing one out is worth.
  private static var leastChunk: Int { 4 }

  init(_ passes: Passes, _ stage: Stage, _ backend: Backend) {
    self.passes = passes
    self.stage = stage
    kernels = backend.kernels
    var (cost, routedPanels, commonPanels) = (0, 0, 0)
    for number in 0..<passes.routedCount {
      let pass = passes.routed(number)
      cost += Self.cost(pass, stage)
      routedPanels = Self.panelCount(pass, stage)
    }
    if let pass = passes.common {
      cost += Self.cost(pass, stage)
      commonPanels = Self.panelCount(pass, stage)
    }
    let panels = passes.routedCount * routedPanels + commonPanels
    let tasks = backend.taskCount(cost: cost, atMost: panels)
    nodes = backend.nodes(forTasks: tasks)
    chunk = tasks == 1 ? panels : max(Self.leastChunk, (panels + tasks - 1) / tasks)
    (self.routedPanels, self.commonPanels) = (routedPanels, commonPanels)
  }

  var taskCount: Int { (0..<nodes.count).reduce(0) { $0 + Part(self, node: $1).taskCount } }

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

  /// What is a node's.
  private struct Part {
    let routed: Range<Int>
    let common: Range<Int>
    /// Tasks of one routed pass, and of all.
    let routedChunks: Int
    let routedTasks: Int
    let taskCount: Int

    init(_ work: borrowing FeedForwardWork, node: Int) {
      routed = work.nodes.part(of: work.routedPanels, node: node)
      common = work.nodes.part(of: work.commonPanels, node: node)
      routedChunks = (routed.count + work.chunk - 1) / work.chunk
      routedTasks = work.passes.routedCount * routedChunks
      taskCount = routedTasks + (common.count + work.chunk - 1) / work.chunk
    }
  }

  func perform(task: Int) {
    var (node, number) = (0, task)
    var part = Part(self, node: node)
    while number >= part.taskCount {
      number -= part.taskCount
      node += 1
      part = Part(self, node: node)
    }
    if number < part.routedTasks {
      let (pass, chunk) = number.quotientAndRemainder(dividingBy: part.routedChunks)
      perform(passes.routed(pass), part.routed, chunk)
    } else if let common = passes.common {
      perform(common, part.common, number - part.routedTasks)
    }
  }

  private func perform(_ pass: FeedForwardPass, _ part: Range<Int>, _ number: Int) {
    let panels = part.dropFirst(number * chunk).prefix(chunk)
    switch stage {
    case .activate: pass.activate(panels, kernels)
    case .project: pass.project(panels, kernels)
    }
  }
}
