// What writing a checkpoint anew asks of it besides what running it does.

import Compute
import Glibc

extension Checkpoint {
  /// A stored vector as a matrix of one row. Marks it as used.
  public func requireRow(_ name: String, count: Int) throws(WeightsError) -> StoredMatrix {
    let tensor = try require(name, shape: [count])
    return unsafe StoredMatrix(
      TensorView(format: tensor.format, shape: [1, count], bytes: tensor.bytes))
  }

  /// Whether two tensors are stored alike, element for element; false when one does not exist.
  public func areCopies(_ name: String, _ other: String) -> Bool {
    guard let first = tensor(named: name), let second = tensor(named: other),
      first.formatName == second.formatName, first.shape == second.shape,
      let view = first.view, let otherView = second.view, view.format != .float8E4M3
    else { return false }
    guard let start = unsafe view.bytes.baseAddress,
      let otherStart = unsafe otherView.bytes.baseAddress
    else {
      return true
    }
    return unsafe memcmp(start, otherStart, view.bytes.count) == 0
  }
}
