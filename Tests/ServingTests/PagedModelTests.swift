// The paged model itself: correct calls give the pure answer, and each kind of wrong one shows.

import Compute
import DeepSeek
import Sampling
import Serving
import Testing

@Suite("Paged model")
struct PagedModelTests {
  let model = PagedModel(
    limits: EngineLimits(
      maxSequences: 150, queueLength: 1, prefillChunk: 150, contextLength: 256, pageCount: 9),
    acceptance: 1)
  let tokens = (0..<150).map { Int32($0 * $0 % 61) }
  let pages = [5, 2, 7].map { PageIndex($0) }

  func batch(
    _ range: Range<Int>, pages: [PageIndex]? = nil, tokens: [Int32]? = nil, firstVisible: Int = 0
  ) -> ForwardBatch {
    var batch = ForwardBatch()
    batch.append(
      Segment(
        firstPosition: range.lowerBound, tokenCount: range.count, pages: pages ?? self.pages,
        firstVisible: firstVisible), tokens: (tokens ?? self.tokens)[range])
    return batch
  }

  /// The logits of a row against what follows the tokens up to a position.
  func isRight(_ logits: Rows, after position: Int) -> Bool {
    var chain = StateChain()
    var state: UInt64 = 0
    for token in tokens[...position] { state = chain.append(token: token) }
    let expected = PagedArithmetic.logits(after: state)
    return logits.withRow(0) { row in expected.indices.allSatisfy { row[$0] == expected[$0] } }
  }

  /// Fills the pages with the tokens, MTP rows and all.
  func fill() {
    model.decode(batch(0..<150))
    model.draft(batch(1..<150, firstVisible: 1), from: (0..<149).map { .row(.decode, $0) })
  }

  @Test("any cut into passes of any lane gives the pure answer", arguments: [1, 7, 64, 150])
  func chunks(size: Int) {
    for start in stride(from: 0, to: 150, by: 2 * size) {
      let middle = min(start + size, 150)
      model.beginPrefill(batch(start..<middle))
      while !model.advancePrefill(layers: 2) {}
      #expect(isRight(model.logits(.prefill, ofRows: [middle - start - 1]), after: middle - 1))
      let end = min(middle + size, 150)
      guard middle < end else { continue }
      model.decode(batch(middle..<end))
      #expect(isRight(model.logits(.decode, ofRows: [end - middle - 1]), after: end - 1))
    }
    #expect(model.fault == nil)
  }

  @Test("an answer is what greedy decoding gives, and temperature does not only pick the peak")
  func answer() {
    var request = GenerationRequest(prompt: tokens, sampling: .init(), maxTokens: 40)
    request.sampling.temperature = 0
    request.logprobs = 0
    let greedy = ScriptedAnswer(to: request)
    var (all, pages) = (tokens, pages)
    pages.append(PageIndex(0))
    model.decode(batch(0..<150))
    for token in greedy.tokens {
      let row = all.count == 150 ? 149 : 0
      let logits = model.logits(.decode, ofRows: [row])
      #expect(logits.withRow(0) { $0[Int(token)] } > 6)
      all.append(token)
      model.decode(batch(all.count - 1..<all.count, pages: pages, tokens: all))
    }
    #expect(greedy.reason == .length && model.fault == nil)
    request.sampling.temperature = 1
    #expect(ScriptedAnswer(to: request) != greedy)
    request.stopTokens = [greedy.tokens[3]]
    request.sampling.temperature = 0
    #expect(ScriptedAnswer(to: request).reason == .stop)
  }

  @Test("drafts chain, and predict what will be computed")
  func drafts() {
    model.decode(batch(0..<100))
    model.draft(batch(1..<101, firstVisible: 1), from: (0..<100).map { .row(.decode, $0) })
    #expect(isRight(model.draftLogits(ofRows: [99]), after: 100))
    model.draft(batch(101..<102, firstVisible: 1), from: [.draft(99)])
    model.draft(batch(102..<103, firstVisible: 1), from: [.draft(0)])
    #expect(isRight(model.draftLogits(ofRows: [0]), after: 102))
    model.decode(batch(100..<128))
    model.decode(batch(128..<130))
    model.draft(batch(128..<129, firstVisible: 128), from: [.page(pages[1])])
    #expect(isRight(model.draftLogits(ofRows: [0]), after: 128))
    #expect(model.fault == nil)
  }

  @Test("a copied beginning can be continued")
  func copies() {
    fill()
    let copy = [pages[0], pages[1], PageIndex(8)]
    model.copyPage(slots: 12, from: pages[2], to: copy[2])
    model.decode(batch(140..<150, pages: copy))
    #expect(isRight(model.logits(.decode, ofRows: [9]), after: 149))
    model.draft(
      batch(141..<150, pages: copy, firstVisible: 141), from: (0..<9).map { .row(.decode, $0) })
    #expect(model.fault == nil)
  }

  static let mistakes: [(name: String, act: @Sendable (PagedModelTests) -> Void)] = [
    (
      "pages in a wrong order", { $0.model.decode($0.batch(149..<150, pages: $0.pages.reversed())) }
    ),
    (
      "a page that was not copied",
      { $0.model.decode($0.batch(149..<150, pages: [5, 2, 8].map { PageIndex($0) })) }
    ),
    (
      "copied too little",
      { test in
        test.model.copyPage(slots: 11, from: test.pages[2], to: PageIndex(8))
        test.model.decode(test.batch(140..<150, pages: test.pages[..<2] + [PageIndex(8)]))
      }
    ),
    (
      "latents of layers to come",
      { test in
        test.model.beginPrefill(test.batch(0..<64, tokens: test.tokens.reversed()))
        _ = test.model.advancePrefill(layers: 4)
        test.model.decode(test.batch(64..<65))
      }
    ),
    (
      "a page taken while its prefill rests",
      { test in
        test.model.beginPrefill(test.batch(0..<64))
        _ = test.model.advancePrefill(layers: 1)
        test.model.decode(test.batch(0..<10, tokens: test.tokens.reversed()))
        _ = test.model.advancePrefill(layers: 1)
      }
    ),
    (
      "results of a lane that is at work",
      { test in
        test.model.beginPrefill(test.batch(0..<64))
        _ = test.model.logits(.prefill, ofRows: [0])
      }
    ),
    (
      "two segments in one page",
      { test in
        var batch = test.batch(130..<140)
        batch.append(
          Segment(firstPosition: 128, tokenCount: 5, pages: test.pages), tokens: test.tokens[1..<6])
        test.model.decode(batch)
      }
    ),
    (
      "a state of another position",
      { $0.model.draft($0.batch(140..<141, firstVisible: 1), from: [.row(.decode, 140)]) }
    ),
    (
      "a page that moved on",
      { $0.model.draft($0.batch(140..<141, firstVisible: 1), from: [.page($0.pages[2])]) }
    ),
    (
      "MTP rows that were not carried on",
      { test in
        test.model.decode(test.batch(0..<150, tokens: test.tokens.reversed()))
        test.model.draft(
          test.batch(140..<141, tokens: test.tokens.reversed(), firstVisible: 1),
          from: [.row(.decode, 139)])
      }
    ),
    (
      "an MTP row that is not there",
      { test in
        let page = PageIndex(0)
        test.model.decode(test.batch(0..<20, pages: [page]))
        test.model.draft(
          test.batch(19..<20, pages: [page], firstVisible: 18), from: [.row(.decode, 18)])
      }
    ),
    (
      "a chain that skips a position",
      { $0.model.draft($0.batch(149..<150, firstVisible: 1), from: [.draft(140)]) }
    ),
  ]

  @Test("each mistake shows", arguments: mistakes.indices)
  func mistake(index: Int) {
    fill()
    #expect(model.fault == nil)
    Self.mistakes[index].act(self)
    #expect(model.fault != nil, "\(Self.mistakes[index].name)")
  }

  @Test("another beginning in a shared page changes the answer even where positions fit")
  func foreignBeginning() {
    fill()
    let foreign = PageIndex(0)
    model.decode(batch(0..<64, pages: [foreign], tokens: tokens.reversed()))
    model.decode(batch(149..<150, pages: [foreign, pages[1], pages[2]]))
    #expect(!isRight(model.logits(.decode, ofRows: [0]), after: 149))
    model.decode(batch(149..<150))
    #expect(isRight(model.logits(.decode, ofRows: [0]), after: 149))
  }
}
