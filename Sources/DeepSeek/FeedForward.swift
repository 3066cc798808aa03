// The gated feed-forward unit, down(silu(gate x) * up x): a dense layer, the shared experts, or one
// routed expert.

import Compute

/// Weights of one gated unit: gate and up [intermediate, hidden], down [hidden, intermediate].
struct FeedForward: Sendable {
  let gate: MatrixView
  let up: MatrixView
  let down: MatrixView

  var intermediateSize: Int { gate.rows }

  /// The unit on all rows of `x`, each product split over the pool.
  func forward(_ x: Rows, gate g: Rows, up u: Rows, into y: Rows, _ backend: Backend) {
    backend.linear(gate, x, into: g)
    backend.linear(up, x, into: u)
    backend.kernels.gatedUnit(gate: g, up: u, into: g)
    backend.linear(down, g, into: y)
  }

  /// The unit on the calling thread alone, for experts that run side by side.
  func forward(_ x: Rows, gate g: Rows, up u: Rows, into y: Rows, _ kernels: Kernels) {
    kernels.project(gate, outputs: 0..<gate.rows, x, into: g)
    kernels.project(up, outputs: 0..<up.rows, x, into: u)
    kernels.gatedUnit(gate: g, up: u, into: g)
    kernels.project(down, outputs: 0..<down.rows, g, into: y)
  }
}
