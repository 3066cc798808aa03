// The part of a repetition that is measured, and what the engine did in it.

import DeepSeek
import Platform
import Serving
import Synchronization

/// What an engine has done by some moment.
private struct EngineMark {
  /// Nanoseconds of the monotonic clock.
  let time: UInt64
  let statistics: EngineStatistics
  let loads: [ExpertLoad]

  init(_ engine: EngineHandle, at time: UInt64) {
    self.time = time
    statistics = engine.statistics
    loads = engine.expertLoads
  }
}

/// Between two moments.
struct EngineInterval {
  let seconds: Double
  let counts: BenchCounts
  /// By layer: passes, rows times experts per token, and experts read.
  let loads: [(layer: Int, passes: Int, choices: Int, activeExperts: Int)]
  /// Where the time went; nil unless asked for.
  let times: PassTimes?

  fileprivate init(from start: EngineMark, to end: EngineMark, times: PassTimes?) {
    seconds = Double(end.time - start.time) / 1e9
    counts = BenchCounts(from: start.statistics, to: end.statistics)
    loads = zip(start.loads, end.loads).map { before, after in
      (
        after.layer, after.passes - before.passes,
        after.tokens.reduce(0, +) - before.tokens.reduce(0, +),
        after.activeExperts - before.activeExperts
      )
    }
    self.times = times
  }
}

/// Told of the streams' tokens on the engine's thread, where it looks at what the engine has done:
/// for a prompt from the requests to the last stream's first token, for an answer from step to step
/// while all streams run.
final class BenchWindow: Sendable {
  private struct State {
    var begun = 0
    var start: EngineMark?
    var interval: EngineInterval?
  }

  private let test: BenchTest
  private let engine: EngineHandle
  private let profile: PassProfile?
  private let state = Mutex(State())

  init(_ test: BenchTest, _ engine: EngineHandle, _ profile: PassProfile?) {
    self.test = test
    self.engine = engine
    self.profile = profile
  }

  /// Nil before the end.
  var interval: EngineInterval? { state.withLock { $0.interval } }

  /// The requests are about to be submitted.
  func requestsBegin() {
    guard test.kind == .prompt else { return }
    state.withLock { open(&$0, at: MonotonicClock.nanoseconds) }
  }

  /// A stream has got a token.
  func tookToken(at time: UInt64, isFirst: Bool, isLast: Bool) {
    state.withLock { state in
      if isFirst { state.begun += 1 }
      let allRun = state.begun == test.batch
      switch test.kind {
      case .prompt: if isFirst, allRun { close(&state, at: time) }
      case .generate:
        // The last stream's first token comes in the middle of a step: the next one is the first
        // that can be counted whole.
        if allRun, state.start == nil, !isFirst { open(&state, at: time) }
        if isLast { close(&state, at: time) }
      }
    }
  }

  private func open(_ state: inout State, at time: UInt64) {
    state.start = EngineMark(engine, at: time)
    profile?.restart()
  }

  private func close(_ state: inout State, at time: UInt64) {
    guard let start = state.start, state.interval == nil else { return }
    state.interval = EngineInterval(
      from: start, to: EngineMark(engine, at: time), times: profile?.times)
  }
}
