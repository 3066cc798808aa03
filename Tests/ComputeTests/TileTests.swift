// Tiles: who holds them, and when they are chosen.

import AMXModel
import Compute
import TestSupport
import Testing

@Suite("Tiles", .enabled(if: KernelVariant.all.contains(.modelledTiles)))
struct TileTests {
  private let arena = ScratchArena()

  @Test("a trial passes tiles that are right and stops those that are wrong")
  func trial() {
    #expect(KernelVariant.modelledTiles.kernels(fast: true).matchesDefinition())
    let wrong = unsafe Kernels(
      tier: .avx512BFloat16, panels: amx_model_with_fault(), roundsInputs: true,
      quantisesInputs: true)
    #expect(!wrong.matchesDefinition())
  }

  @Test("tiles are chosen where the processor has them, and no right tier is rejected")
  func choice() {
    #expect(Kernels.rejected == [])
    #expect((Kernels.fastest.tier == .amx) == (Kernels(tier: .amx) != nil))
    #expect(Kernels.best.tier != .amx)
  }

  @Test("a product releases the tiles of its thread", arguments: [1, 16, 17, 300])
  func release(rows: Int) throws {
    let backend = Backend(
      kernels: KernelVariant.modelledTiles.kernels(fast: true),
      pool: try WorkerPool(threadCount: 1))
    var generator = SeededGenerator(seed: 1)
    for format in [ElementFormat.q8_0, .q4_K] {
      let weights = RandomWeights(format, rows: 16, columns: 256, using: &generator)
      let x = arena.rows(rows, width: 256)
      x.fill(1)
      let buffer = EncodingBuffer(arena, count: rows, width: 256)
      backend.linear(
        try weights.packed(), x, using: buffer, into: arena.rows(rows, width: 16))
      #expect(amx_model_holds_tiles() == 0, "\(format)")
    }
  }
}
