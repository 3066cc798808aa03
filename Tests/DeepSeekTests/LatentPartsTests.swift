// Where a context is cut for the threads that share it.

import DeepSeek
import Testing

@Suite("Latent parts")
struct LatentPartsTests {
  @Test("every page belongs to the one part that lists it")
  func pages() {
    var next = 0
    for part in 0..<600 {
      let pages = LatentParts.pages(ofPart: part)
      #expect(pages.lowerBound == next && !pages.isEmpty)
      #expect(pages.allSatisfy { LatentParts.part(ofPage: $0) == part })
      next = pages.upperBound
    }
  }
}
