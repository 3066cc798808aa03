// The two products of latent attention that each head has a matrix of its own for, shared out by
// heads.

import Compute

/// q~_h = W_UK,h^T q_nope with the rope part beside it.
struct HeadAbsorption: ParallelWork {
  let latentUp: MatrixView
  let query: Rows
  let absorbed: Rows
  let heads: Int
  let widths: HeadWidths
  let tasks: Int
  let kernels: Kernels

  func perform(task: Int) {
    let (nope, rope, rank) = (widths.nope, widths.rope, widths.rank)
    for head in Backend.share(of: heads, task: task, of: tasks, granule: 1) {
      let part = query.columns(head * (nope + rope)..<(head + 1) * (nope + rope))
      let target = absorbed.columns(head * (rank + rope)..<(head + 1) * (rank + rope))
      let first = head * (nope + widths.value)
      kernels.linearTransposed(
        latentUp, inputs: first..<first + nope, part.columns(0..<nope),
        into: target.columns(0..<rank))
      target.columns(rank..<rank + rope).copy(from: part.columns(nope..<nope + rope))
    }
  }
}

/// o_h = W_UV,h z_h.
struct ValueExpansion: ParallelWork {
  let latentUp: MatrixView
  let attended: Rows
  let values: Rows
  let heads: Int
  let widths: HeadWidths
  let tasks: Int
  let kernels: Kernels

  func perform(task: Int) {
    let (value, rank) = (widths.value, widths.rank)
    for head in Backend.share(of: heads, task: task, of: tasks, granule: 1) {
      let first = head * (widths.nope + value) + widths.nope
      kernels.project(
        latentUp, outputs: first..<first + value,
        attended.columns(head * rank..<(head + 1) * rank),
        into: values.columns(head * value..<(head + 1) * value))
    }
  }
}
