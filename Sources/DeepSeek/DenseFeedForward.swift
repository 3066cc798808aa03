// A layer whose feed-forward has no experts: the leading ones.

import Compute

/// One gated unit for every row.
struct DenseFeedForward: Sendable {
  let unit: FeedForward

  /// y = down(silu(gate x) * up x) for the rows of `x` [rows, hidden].
  func forward(_ x: Rows, into y: Rows, _ backend: Backend, _ buffers: ActivationBuffers) {
    let pass = buffers.commonPass(
      of: unit, buffers.encode(x, for: unit, backend), into: y, backend)
    let passes = CommonPass(common: pass)
    let activate = FeedForwardWork(passes, .activate, backend)
    backend.pool.run(tasks: activate.taskCount, activate)
    backend.finished(.denseActivate)
    backend.fill(pass.hidden, from: pass.gate)
    let project = FeedForwardWork(passes, .project, backend)
    backend.pool.run(tasks: project.taskCount, project)
    backend.finished(.denseProject)
  }

  private struct CommonPass: FeedForwardPasses {
    let common: FeedForwardPass?
    var routedCount: Int { 0 }

    func routed(_ number: Int) -> FeedForwardPass {
      preconditionFailure("a dense layer routes nothing")
    }
  }
}

extension ActivationBuffers {
  /// A pass of all rows of a batch through one unit.
  func commonPass(
    of unit: FeedForward, _ inputs: (gate: EncodedRows, up: EncodedRows), into y: Rows,
    _ backend: Backend
  ) -> FeedForwardPass {
    let rows = 0..<y.count
    let width = 0..<unit.intermediateSize
    let gate = gate.rows(rows).columns(width)
    return FeedForwardPass(
      unit: unit, gateInput: inputs.gate, upInput: inputs.up, gate: gate,
      up: up.rows(rows).columns(width),
      hidden: backend.place(gate, for: unit.down.format, in: hiddenEncoding), output: y)
  }

  /// Rows as gate and up take them, which is nearly always the same.
  func encode(
    _ x: Rows, for unit: FeedForward, _ backend: Backend
  ) -> (gate: EncodedRows, up: EncodedRows) {
    let gate = backend.encode(x, for: unit.gate.format, in: inputEncoding)
    let isSame = backend.takesAlike(unit.gate.format, unit.up.format)
    return (gate, isSame ? gate : backend.encode(x, for: unit.up.format, in: secondEncoding))
  }
}
