// Work over time, and what the sums of work need of a model.

import Compute
import DeepSeek
import JSON
import Serving

/// What a model is to the figures of its tests.
struct BenchModel {
  let work: ModelWork
  let layerCount: Int
  let expertsPerToken: Int
  /// Rows of a chunk of prompts, and of one call of the output head.
  let chunk: Int
  let promptAttention: PromptAttention
  let logitRows: Int

  init(_ model: PlannedModel) {
    work = ModelWork(model.weights, latents: model.latents, kernels: model.kernels)
    layerCount = model.configuration.layerCount
    expertsPerToken = model.configuration.expertsPerToken
    chunk = model.limits.prefillChunk
    promptAttention = model.limits.promptAttention
    logitRows = PlannedModel.logitRows
  }
}

/// Work over time.
struct WorkRate {
  let work: OperationWork
  let seconds: Double

  init(_ work: OperationWork, seconds: Double) {
    self.work = work
    self.seconds = max(seconds, 1e-9)
  }

  /// 10^9 bytes per second.
  var gigabytes: Double { work.bytes / seconds / 1e9 }
  /// 10^9 operations per second; a multiply-add is two.
  var operations: Double { 2 * work.multiplyAdds.sum / seconds / 1e9 }

  func shareOfBandwidth(_ limits: MachineLimits) -> Double {
    work.bytes / limits.readBytesPerSecond / seconds
  }

  /// The time that the multiply-adds would take, each kind at its peak, over the time they took.
  func shareOfPeak(_ limits: MachineLimits) -> Double {
    Arithmetic.allCases.reduce(0) { $0 + work.multiplyAdds[$1] / limits[$1] } / seconds
  }

  /// Members of a JSON object.
  func add(to row: inout JSONObject, _ limits: MachineLimits?) {
    row["gigabytes_per_second"] = .double(gigabytes)
    row["gops"] = .double(operations)
    guard let limits else { return }
    row["share_of_bandwidth"] = .double(shareOfBandwidth(limits))
    row["share_of_peak"] = .double(shareOfPeak(limits))
  }
}
