// A random context in pages with guarded ends, and queries against it.

import Compute
import Glibc
import TestSupport

/// One sequence whose last rows ask, and what kernels and the definition find for them.
struct AttentionCase {
  let layout: LatentPageLayout
  /// Positions of the context, and the first that anybody sees.
  let positions: Int
  let firstVisible: Int
  /// Rows at the end of the context, each with all heads, that ask together.
  let heads: Int
  let rows: Int
  /// Latent and rope key by position, or key, rope key and value; what bfloat16 can say, so that it
  /// is stored as it is.
  let latents: [[Float]]
  /// [rows * heads, rank + rope]
  let queries: Rows
  static let scale: Float = 0.3
  private let pages: [GuardedMemory]
  private let arena = ScratchArena()

  init(
    _ layout: LatentPageLayout, positions: Int, firstVisible: Int, heads: Int, rows: Int,
    using g: inout SeededGenerator
  ) {
    self.layout = layout
    self.positions = positions
    self.firstVisible = firstVisible
    self.heads = heads
    self.rows = rows
    let width = layout.width
    let size = LatentPageLayout.slotCount
    let row = arena.rows(1, width: width)
    queries = arena.rows(rows * heads, width: layout.rank + layout.rope)
    for index in 0..<queries.count {
      for k in 0..<queries.width { queries[index, k] = Float.random(in: -1...1, using: &g) }
    }
    pages = (0..<(positions + size - 1) / size).map { _ in
      let page = GuardedMemory(byteCount: layout.byteCount)
      // Not a number, in every format that has such.
      for index in 0..<layout.byteCount { unsafe page.bytes[index] = 0xFF }
      return page
    }
    var latents: [[Float]] = []
    for position in 0..<positions {
      let values = (0..<width).map { _ in
        Float(bitPattern: Float.random(in: -1...1, using: &g).bitPattern & 0xFFFF_0000)
      }
      latents.append(values)
      guard position >= firstVisible else { continue }
      for k in 0..<width { row[0, k] = values[k] }
      unsafe layout.encode(
        row, row: 0, slot: position % size, into: pages[position / size].bytes)
    }
    self.latents = latents
  }

  /// What all lanes find together, in parts of so many pages.
  func attended(_ kernels: Kernels, pagesPerPart: Int) -> Rows {
    attended(
      kernels, pagesPerPart: pagesPerPart, queries,
      AttentionLanes(
        position: positions - rows, firstHead: 0, heads: heads, count: rows * heads))
  }

  /// What one lane finds alone.
  func attendedAlone(_ kernels: Kernels, pagesPerPart: Int, lane: Int) -> Rows {
    attended(
      kernels, pagesPerPart: pagesPerPart, queries.rows(lane..<lane + 1),
      AttentionLanes(
        position: positions - rows + lane / heads, firstHead: lane % heads, heads: heads,
        count: 1))
  }

  private func attended(
    _ kernels: Kernels, pagesPerPart: Int, _ queries: Rows, _ lanes: AttentionLanes
  ) -> Rows {
    let attention = AttentionKernels(kernels, layout: layout)
    let size = LatentPageLayout.slotCount
    let packed = arena.rows(lanes.panels, width: attention.panelWidth)
    for panel in 0..<lanes.panels {
      let first = panel * AttentionLanes.width
      let part = queries.rows(first..<min(first + AttentionLanes.width, lanes.count))
      attention.pack(part, into: packed, panel: panel)
    }
    let sums = AttentionSums(
      state: arena.rows(lanes.panels, width: AttentionSums.stateWidth),
      latents: arena.rows(lanes.count, width: layout.sumWidth))
    let total = arena.rows(lanes.count, width: layout.sumWidth)
    let state = arena.rows(lanes.count, width: 2)
    sums.latents.fill(.nan)
    total.fill(.nan)
    let firstPart = firstVisible / size / pagesPerPart
    for part in firstPart...lanes.lastPosition / size / pagesPerPart {
      let first = max(part * pagesPerPart, firstVisible / size)
      for page in first...min(lanes.lastPosition / size, (part + 1) * pagesPerPart - 1) {
        unsafe attention.step(
          UnsafeRawBufferPointer(pages[page].bytes),
          next: page + 1 < pages.count ? UnsafeRawBufferPointer(pages[page + 1].bytes) : nil,
          position: page * size, firstSlot: max(firstVisible - page * size, 0), lanes: lanes,
          queries: packed, scale: Self.scale, startsPart: page == first, into: sums)
      }
      for lane in 0..<lanes.count {
        attention.merge(
          sums, lane: lane, of: lanes, isFirst: part == firstPart,
          end: (part + 1) * pagesPerPart * size, into: total, state: state, row: lane)
      }
    }
    return total
  }

  /// One softmax over all positions that a lane sees, in double precision.
  func definition(lane: Int) -> [Double] {
    let last = positions - rows + lane / heads
    let scores = (firstVisible...last).map { position in
      (0..<queries.width).reduce(0.0) {
        $0 + Double(queries[lane, $1]) * Double(latents[position][$1])
      } * Double(Self.scale)
    }
    let highest = scores.max()!
    let weights = scores.map { Glibc.exp($0 - highest) }
    let total = weights.reduce(0, +)
    let first = layout.value > 0 ? queries.width : 0
    return (0..<layout.sumWidth).map { column in
      zip(weights, firstVisible...last).reduce(0.0) {
        $0 + $1.0 * Double(latents[$1.1][first + column])
      } / total
    }
  }
}
