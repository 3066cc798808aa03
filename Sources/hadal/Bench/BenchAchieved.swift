// What a measurement achieved: the work of the model's passes over the time they took.

import Compute
import DeepSeek

/// Work and time of some repetitions of a test.
struct BenchAchieved {
  /// Passes through the main layers: steps of answers, or chunks of prompts.
  private(set) var steps = 0.0
  private(set) var seconds = 0.0
  private(set) var main = PassWork()
  private(set) var draft = PassWork()
  private(set) var times: PassTimes?

  /// Nothing.
  init() {}

  init(_ test: BenchTest, _ interval: EngineInterval, cachedTokens: [Int], _ model: BenchModel) {
    seconds = interval.seconds
    times = interval.times
    let load: PassLoad
    switch test.kind {
    case .generate: load = Self.answerLoad(test, interval, model)
    case .prompt: load = Self.promptLoad(test, interval, cachedTokens, model)
    }
    steps = load.passes
    main = model.work.work(of: .main, load)
    draft = model.work.work(of: .draft, Self.draftLoad(test, interval, model))
  }

  static func += (sum: inout BenchAchieved, next: BenchAchieved) {
    sum.steps += next.steps
    sum.seconds += next.seconds
    sum.main += next.main
    sum.draft += next.draft
    guard let times = next.times else { return }
    if sum.times == nil {
      sum.times = times
    } else {
      sum.times? += times
    }
  }

  // MARK: - Loads

  private static func answerLoad(
    _ test: BenchTest, _ interval: EngineInterval, _ model: BenchModel
  ) -> PassLoad {
    var load = PassLoad()
    for (index, step) in interval.counts.steps.enumerated() {
      let (rows, count) = (index + 1, Double(step.count))
      load.passes += count
      load.rows += count * Double(rows)
      load.headPasses += count * Double((rows + model.logitRows - 1) / model.logitRows)
    }
    load.headRows = load.rows
    // The first step that is counted is the second one after the prompt.
    let depth = Double(test.contextCount) + Double(test.tokens + 3) / 2
    load.attendedPositions = load.rows * depth
    load.readPositions = load.passes * Double(test.batch) * depth
    load.activeExperts = activeExperts(interval)
    return load
  }

  /// Chunks of a prompt are taken to be equal.
  private static func promptLoad(
    _ test: BenchTest, _ interval: EngineInterval, _ cachedTokens: [Int], _ model: BenchModel
  ) -> PassLoad {
    var load = PassLoad()
    let end = test.depth + test.tokens
    let expandedEnd = model.promptAttention.expandedCount(ofPrompt: end)
    func attended(_ first: Int, _ end: Int) -> Double {
      Double((end - first) * (first + end + 1)) / 2
    }
    for cached in cachedTokens {
      let change = max(cached, expandedEnd)
      load.rows += Double(end - cached)
      load.attendedPositions += attended(change, end)
      load.expandedRows += Double(change - cached)
      load.expandedPositions += attended(cached, change)
      for first in stride(from: cached, to: end, by: model.chunk) {
        load.readPositions += Double(min(first + model.chunk, end))
        if first < change { load.madePositions += Double(min(first + model.chunk, change)) }
      }
    }
    let counted = interval.loads.first { $0.layer < model.layerCount }?.passes
    load.passes = counted.map(Double.init) ?? (load.rows / Double(model.chunk)).rounded(.up)
    load.headPasses = (Double(test.batch) / Double(model.logitRows)).rounded(.up)
    load.headRows = Double(test.batch)
    load.activeExperts = activeExperts(interval)
    return load
  }

  /// Every draft pass of an answer ends with the head; those of prompts only keep up.
  private static func draftLoad(
    _ test: BenchTest, _ interval: EngineInterval, _ model: BenchModel
  ) -> PassLoad {
    var load = PassLoad()
    guard let module = interval.loads.first(where: { $0.layer == model.layerCount }) else {
      return load
    }
    load.passes = Double(module.passes)
    load.rows = Double(module.choices) / Double(model.expertsPerToken)
    if test.kind == .generate {
      load.headPasses = load.passes
      load.headRows = interval.counts.drafts.reduce(0) { $0 + Double($1.drafted) }
    }
    load.activeExperts = activeExperts(interval)
    return load
  }

  private static func activeExperts(_ interval: EngineInterval) -> [Int: Double] {
    var experts: [Int: Double] = [:]
    for load in interval.loads { experts[load.layer] = Double(load.activeExperts) }
    return experts
  }

  // MARK: - Figures

  private var total: OperationWork {
    var total = main.total
    total += draft.total
    return total
  }

  /// Of one step.
  var milliseconds: Double { seconds / max(steps, 1) * 1000 }
  var bytesPerStep: Double { total.bytes / max(steps, 1) }
  var multiplyAddsPerStep: Double { total.multiplyAdds.sum / max(steps, 1) }

  var rate: WorkRate { WorkRate(total, seconds: seconds) }
}
