// The two products of latent attention that each head has a matrix of its own for, shared out by
// heads.

import Compute

/// Elements of one head: the parts of its query and its value, and the latent they come from.
struct HeadWidths: Sendable {
  let nope: Int
  let rope: Int
  let value: Int
  let rank: Int
}

/// q~_h = W_UK,h^T q_nope with the rope part beside it.
struct HeadAbsorption: ParallelWork {
  /// Per head [rank, nope].
  let keys: [PackedMatrix]
  /// [rows, heads * (nope + rope)], and the nope parts [rows * heads, nope].
  let query: Rows
  let nopeParts: EncodedRows
  /// [rows, heads * (rank + rope)]
  let absorbed: Rows
  let widths: HeadWidths
  let tasks: Int
  let kernels: Kernels

  func perform(task: Int) {
    let (nope, rope, rank) = (widths.nope, widths.rope, widths.rank)
    for head in Backend.share(of: keys.count, task: task, of: tasks) {
      let target = absorbed.columns(head * (rank + rope)..<(head + 1) * (rank + rope))
      kernels.product(
        keys[head], panels: 0..<keys[head].panelCount, nopeParts.every(keys.count, from: head),
        into: target.columns(0..<rank))
      let ropePart = head * (nope + rope) + nope..<(head + 1) * (nope + rope)
      target.columns(rank..<rank + rope).copy(from: query.columns(ropePart))
    }
  }
}

/// o_h = W_UV,h z_h.
struct ValueExpansion: ParallelWork {
  /// Per head [value, rank].
  let values: [PackedMatrix]
  /// z of all heads [rows * heads, rank].
  let attended: EncodedRows
  /// [rows, heads * value]
  let output: Rows
  let widths: HeadWidths
  let tasks: Int
  let kernels: Kernels

  func perform(task: Int) {
    let value = widths.value
    for head in Backend.share(of: values.count, task: task, of: tasks) {
      kernels.product(
        values[head], panels: 0..<values[head].panelCount,
        attended.every(values.count, from: head),
        into: output.columns(head * value..<(head + 1) * value))
    }
  }
}
