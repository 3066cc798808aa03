// Pages of packed weights go to the memory nodes that read them.

import Compute
import Platform
import Testing
import Weights

@Suite("Placement on memory nodes")
struct NodePlacementTests {
  private static let page = LargeMemory.pageBytes
  private static let twoNodes = NodeShares(
    threads: 4, memory: MemoryNodes(processors: [[0, 1], [2, 3]]))

  @Test("halves of large matrices go to their nodes, the page in the middle to either")
  func large() {
    let panels = 320
    let bytes = Self.page / 32
    // Ten pages each, the second from the middle of a page on.
    let placement = NodePlacement(
      [(0, bytes, panels), (10 * Self.page + Self.page / 2, bytes, panels)],
      nodes: Self.twoNodes, byteCount: 21 * Self.page)
    let owners = placement.owners
    #expect(owners.count == 21)
    #expect(Array(owners[0..<10]) == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    #expect(Array(owners[11..<15]) == [0, 0, 0, 0])
    #expect(Array(owners[16...]) == [1, 1, 1, 1, 1])
  }

  @Test("small matrices are dealt out in turns")
  func small() {
    let bytes = 64 << 10
    let matrices = (0..<256).map { (offset: $0 * 4 * bytes, panelBytes: bytes, panelCount: 4) }
    let placement = NodePlacement(matrices, nodes: Self.twoNodes, byteCount: 256 * 4 * bytes)
    #expect(placement.owners.count == 32)
    #expect(placement.owners == (0..<32).map { $0 % 2 })
  }

  @Test("one node has all, and an odd end counts as a page")
  func single() {
    let placement = NodePlacement([(0, 64, 1)], nodes: .single, byteCount: Self.page + 1)
    #expect(placement.owners == [0, 0])
    #expect(NodePlacement([], nodes: Self.twoNodes, byteCount: 0).owners == [])
  }

  @Test("memory that was touched is still zero, to its last byte")
  func touch() throws {
    let memory = try LargeMemory(byteCount: Self.page + 5000)
    for page in 0..<2 { memory.touch(page: page) }
    #expect(unsafe memory.bytes.allSatisfy { $0 == 0 })
  }
}
