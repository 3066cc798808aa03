// Which memory node each page of the packed weights belongs to: the one whose threads read most of
// it, so that weights are read from near memory.

import Compute

/// Owners of the huge pages of packed weights. A system gives memory by pages, so matrices that are
/// small beside one cannot be cut exactly: pages that nodes read alike are dealt out in turns.
package struct NodePlacement: Sendable {
  /// The node of each page.
  package let owners: [Int]

  /// Whose lead over the others is less than this share of a page does not count.
  private static let lead = 1.0 / 4

  /// - Parameter matrices: where each begins, and the bytes and number of its panels.
  package init(
    _ matrices: [(offset: Int, panelBytes: Int, panelCount: Int)], nodes: NodeShares,
    byteCount: Int
  ) {
    let size = LargeMemory.pageBytes
    let pages = (byteCount + size - 1) / size
    var read = [[Int]](repeating: [Int](repeating: 0, count: nodes.count), count: pages)
    for matrix in matrices {
      for node in 0..<nodes.count {
        let part = nodes.part(of: matrix.panelCount, node: node)
        var first = matrix.offset + part.lowerBound * matrix.panelBytes
        let end = matrix.offset + part.upperBound * matrix.panelBytes
        while first < end {
          let next = min(end, (first / size + 1) * size)
          read[first / size][node] += next - first
          first = next
        }
      }
    }
    owners = read.enumerated().map { page, bytes in
      let sorted = bytes.indices.sorted { bytes[$0] > bytes[$1] }
      guard sorted.count > 1 else { return 0 }
      let isClear = Double(bytes[sorted[0]] - bytes[sorted[1]]) >= Self.lead * Double(size)
      return isClear ? sorted[0] : page % nodes.count
    }
  }

  /// The pages that a thread takes: its share of its node's.
  func pages(ofThread thread: Int, nodes: NodeShares) -> ArraySlice<Int> {
    let (node, own) = nodes.part(of: nodes.threadCount, containing: thread)
    let pages = owners.indices.filter { owners[$0] == node }
    return pages[Backend.share(of: pages.count, task: thread - own.lowerBound, of: own.count)]
  }
}

/// Each thread takes the memory of its pages.
struct SettlingWork: ParallelWork {
  let placement: NodePlacement
  let memory: LargeMemory
  let nodes: NodeShares

  func perform(task thread: Int) {
    for page in placement.pages(ofThread: thread, nodes: nodes) {
      memory.touch(page: page)
    }
  }
}
