// Passes that come to nothing: who is hurt by them, and who is not.

import Compute
import DeepSeek
import Sampling
import Serving
import Synchronization
import Testing

/// A scripted model whose passes fail while a certain token is among their rows.
final class FailingModel: LanguageModel {
  static let poison: Int32 = 96

  enum Way: Sendable, CaseIterable { case throwing, notANumber, losingState }

  private let model = ScriptedModel(rowCapacity: 64)
  private let way: Way
  private let poisoned = Mutex<[ForwardLane: [Bool]]>([:])
  let layerCount = 3
  let canDraft = false
  let logitRowCapacity = 4
  let expertLoads: [ExpertLoad] = []

  init(_ way: Way) { self.way = way }

  private func check(_ batch: ForwardBatch, _ lane: ForwardLane) throws(PassFailure) {
    poisoned.withLock { $0[lane] = batch.tokens.map { $0 == Self.poison } }
    guard batch.tokens.contains(Self.poison), way != .notANumber else { return }
    throw PassFailure("poisoned", losesState: way == .losingState)
  }

  func decode(_ batch: ForwardBatch) throws(PassFailure) {
    try check(batch, .decode)
    model.decode(batch)
  }

  func beginPrefill(_ batch: ForwardBatch) throws(PassFailure) {
    try check(batch, .prefill)
    model.beginPrefill(batch)
  }

  func advancePrefill(layers: Int) -> Bool { model.advancePrefill(layers: layers) }

  func logits(_ lane: ForwardLane, ofRows rows: [Int]) -> Rows {
    let logits = model.logits(lane, ofRows: rows)
    poisoned.withLock { poisoned in
      for (index, row) in rows.enumerated() where poisoned[lane]![row] && way == .notANumber {
        for token in 0..<ScriptedModel.vocabularySize { logits[index, token] = .nan }
      }
    }
    return logits
  }

  func draft(_ batch: ForwardBatch, from sources: [HiddenSource]) {}
  func draftLogits(ofRows rows: [Int]) -> Rows { model.draftLogits(ofRows: rows) }
  func copyPage(slots: Int, from source: PageIndex, to target: PageIndex) {}
}

@Suite("Passes that fail")
struct PassFailureTests {
  private final class Life {
    let inbox = EngineInbox(queueLength: 8)
    let monitor = EngineMonitor()
    let engine: Engine<FailingModel>

    init(_ way: FailingModel.Way) {
      engine = Engine(
        model: FailingModel(way), limits: EngineTests.limits(sequences: 4), inbox: inbox,
        monitor: monitor)
    }

    func submit(_ prompt: [Int32], _ count: Int) throws -> TokenStream {
      var sampling = SamplingParameters()
      sampling.temperature = 0
      return try inbox.submit(
        GenerationRequest(prompt: prompt, sampling: sampling, maxTokens: count)
      ) { _ in TokenStream(capacity: 64, notify: {}, cancelled: {}, resumed: {}) }
    }

    func run() -> EngineProgress {
      var progress = engine.step()
      while progress == .worked {
        #expect(engine.invariantViolation == nil)
        progress = engine.step()
      }
      return progress
    }
  }

  private func tokens(_ events: [GenerationEvent]) -> [Int32] {
    events.compactMap { if case .token(let token, _) = $0 { token } else { nil } }
  }

  private func failure(_ events: [GenerationEvent]) -> PassFailure? {
    if case .failed(let failure) = events.last { failure } else { nil }
  }

  /// A prompt whose third answered token is the poison.
  private static let doomed: [Int32] = {
    for token in Int32(0)..<96 {
      let answer = ScriptedModel.answer(to: [token], count: 4)
      if answer[2] == FailingModel.poison, !answer[..<2].contains(FailingModel.poison) {
        return [token]
      }
    }
    preconditionFailure("there is one")
  }()

  @Test(
    "a failed prefill ends its own sequences", arguments: [FailingModel.Way.throwing, .notANumber])
  func prefill(way: FailingModel.Way) throws {
    let life = Life(way)
    let first = try life.submit([1, 2], 3)
    #expect(life.run() == .idle)
    let second = try life.submit([3, FailingModel.poison], 3)
    #expect(life.run() == .idle)
    let third = try life.submit([4], 3)
    #expect(life.run() == .idle)
    #expect(tokens(first.drain()) == ScriptedModel.answer(to: [1, 2], count: 3))
    #expect(failure(second.drain()) != nil)
    #expect(tokens(third.drain()) == ScriptedModel.answer(to: [4], count: 3))
    #expect(life.monitor.statistics.failed == 1)
    #expect(life.monitor.statistics.freePages + life.monitor.statistics.cachedPages == 8)
  }

  @Test("logits that are no numbers end one sequence, not those beside it")
  func numbers() throws {
    let life = Life(.notANumber)
    let doomed = try life.submit(Self.doomed, 8)
    let other = try life.submit([1, 2], 12)
    #expect(life.run() == .idle)
    let said = doomed.drain()
    #expect(tokens(said) == Array(ScriptedModel.answer(to: Self.doomed, count: 8)[..<3]))
    #expect(failure(said) != nil)
    #expect(tokens(other.drain()) == ScriptedModel.answer(to: [1, 2], count: 12))
  }

  @Test("lost state ends every answer, those that wait too, and refuses what comes later")
  func lostState() throws {
    let life = Life(.losingState)
    let streams = try [Self.doomed, [1], [2], [3], [4], [5]].map { try life.submit($0, 12) }
    #expect(life.run() == .stopped)
    for stream in streams { #expect(failure(stream.drain())?.losesState == true) }
    #expect(throws: ServingError.engineFailed) { try life.submit([1], 1) }
  }
}
