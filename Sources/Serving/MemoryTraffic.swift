// What passes have read of weights and latents, and how long they took: what a machine's memory
// bandwidth is compared with.

import Compute
import DeepSeek

/// Bytes and time of the passes of one kind, since the engine's start.
public struct MemoryTraffic: Sendable, Equatable {
  /// Passes of one kind.
  public enum Lane: String, Sendable, CaseIterable {
    case decode
    case prefill
    /// The MTP module, without its latents.
    case draft
  }

  public let lane: Lane
  /// Weights and latents that the passes had to read; activations stay in the caches.
  public let bytes: Double
  /// The passes' time with that of logits and draws.
  public let seconds: Double

  init(_ lane: Lane, _ statistics: EngineStatistics, _ experts: [ExpertLoad], _ work: ModelWork) {
    self.lane = lane
    let counted =
      switch lane {
      case .decode: statistics.decodeLoad
      case .prefill: statistics.prefillLoad
      case .draft: statistics.draftLoad
      }
    var load = PassLoad()
    load.passes = Double(counted.passes)
    load.headPasses = Double(counted.headPasses)
    load.readPositions = Double(counted.readPositions)
    for expert in experts {
      let active =
        switch lane {
        case .decode: expert.decodeActiveExperts
        case .prefill, .draft: expert.activeExperts - expert.decodeActiveExperts
        }
      load.activeExperts[expert.layer] = Double(active)
    }
    bytes = work.work(of: lane == .draft ? .draft : .main, load).total.bytes
    seconds = counted.seconds
  }
}

/// The threads that compute and how they wait, for the targets above the engine, which know no
/// threads.
public struct WorkerWaits: Sendable, Equatable {
  public let threads: Int
  /// Waits for the next operation, spent spinning and asleep, over all workers since the start.
  public let spins: Int
  public let sleeps: Int
  public let sleepSeconds: Double

  init(_ statistics: WorkerStatistics) {
    threads = statistics.threads
    spins = statistics.spinWaits
    sleeps = statistics.sleepWaits
    sleepSeconds = statistics.sleepSeconds
  }
}

extension EngineHandle {
  /// By lane; empty when it is not known what the model reads.
  public var memoryTraffic: [MemoryTraffic] {
    guard let work else { return [] }
    let (statistics, experts) = (statistics, expertLoads)
    return MemoryTraffic.Lane.allCases.map { MemoryTraffic($0, statistics, experts, work) }
  }

  /// The threads that compute; nil when the model has none of its own.
  public var workers: WorkerWaits? { model.workerStatistics.map { WorkerWaits($0) } }
}
