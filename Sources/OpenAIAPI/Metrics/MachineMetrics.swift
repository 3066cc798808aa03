// What the engine makes of the machine: bytes read over time, the cache's size, how threads wait;
// and the door for what the API cannot see.

import Serving

/// Adds families to a scrape: of the process, its memory, its connections.
public struct HostMetrics: Sendable {
  package let add: @Sendable (inout PrometheusText) -> Void

  /// - Parameter add: called for every scrape, on any thread.
  package init(_ add: @escaping @Sendable (inout PrometheusText) -> Void) { self.add = add }

  /// Nothing.
  public static let none = HostMetrics { _ in }
}

extension MetricsReport {
  /// What memory bandwidth was achieved is the rate of the bytes over the rate of the seconds.
  mutating func addTraffic(_ traffic: [MemoryTraffic]) {
    guard !traffic.isEmpty else { return }
    let bytes = "hadal_read_bytes_total"
    output.begin(
      bytes, .counter, "Bytes of weights and latents that passes had to read, by kind of pass.")
    for lane in traffic { output.sample(bytes, ("pass", lane.lane.rawValue), value: lane.bytes) }
    let seconds = "hadal_pass_seconds_total"
    output.begin(seconds, .counter, "Seconds of passes with their logits and draws, by kind.")
    for lane in traffic {
      output.sample(seconds, ("pass", lane.lane.rawValue), value: lane.seconds)
    }
    let rate = "hadal_achieved_bytes_per_second"
    output.begin(rate, .gauge, "Bytes read over the seconds of passes, since the start, by kind.")
    for lane in traffic {
      output.sample(
        rate, ("pass", lane.lane.rawValue), value: lane.seconds > 0 ? lane.bytes / lane.seconds : 0)
    }
  }

  /// Labels are those of vLLM that mean something here.
  mutating func addCache(_ limits: EngineLimits) {
    let (common, name) = (output.labels, "vllm:cache_config_info")
    output.labels = [("engine", "0")]
    output.begin(name, .gauge, "Pages of the latent pool and tokens of a page.")
    output.sample(
      name, ("block_size", "\(EngineLimits.tokensPerPage)"),
      ("enable_prefix_caching", limits.cachesPrefixes ? "True" : "False"),
      ("num_gpu_blocks", "\(limits.pageCount)"), value: 1)
    output.labels = common
  }

  mutating func addWorkers(_ workers: WorkerWaits) {
    output.add(
      "hadal_compute_threads", .gauge, "Threads that compute passes.", Double(workers.threads))
    let waits = "hadal_worker_waits_total"
    output.begin(
      waits, .counter, "Waits of worker threads for the next operation, by how they waited.")
    output.sample(waits, ("how", "spin"), value: Double(workers.spins))
    output.sample(waits, ("how", "sleep"), value: Double(workers.sleeps))
    output.add(
      "hadal_worker_sleep_seconds_total", .counter, "Seconds that worker threads slept, summed.",
      workers.sleepSeconds)
  }
}
