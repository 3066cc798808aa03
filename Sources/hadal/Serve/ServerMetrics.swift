// What a scrape says beside the engine: the program, its memory, its process, its control group,
// its log.

import Compute
import DeepSeek
import HTTP
import OpenAIAPI
import Platform

/// The sources of the server's own families. Names that have no prefix are those of Prometheus'
/// client libraries (prometheus.io/docs/instrumenting/writing_clientlibs, "Process metrics").
struct ServerMetrics: Sendable {
  let memory: MemoryPlan
  /// What tells builds apart, as labels.
  let build: [PrometheusText.Label]
  let accessLog: LineLog?
  let connections: ConnectionCounts

  init(_ planned: PlannedModel, accessLog: LineLog?, connections: ConnectionCounts) {
    memory = planned.memory
    build = [
      ("version", Hadal.version), ("kernels", planned.kernels.tier.rawValue),
      ("kv_type", planned.latents.format.rawValue),
    ]
    self.accessLog = accessLog
    self.connections = connections
  }

  var host: HostMetrics { HostMetrics { [self] in add(to: &$0) } }

  private func add(to output: inout PrometheusText) {
    output.labels = []
    output.begin("hadal_build_info", .gauge, "The program, by its labels.")
    output.sample("hadal_build_info", build, value: 1)
    connections.add(to: &output)
    addMemory(to: &output)
    addProcess(ProcessStatistics.measure(), to: &output)
    addThrottling(ProcessorThrottling.measure(), to: &output)
    output.add(
      "hadal_access_log_dropped_total", .counter, "Lines of the access log that were lost.",
      Double(accessLog?.droppedLines ?? 0))
  }

  private func addMemory(to output: inout PrometheusText) {
    let planned = "hadal_memory_planned_bytes"
    output.begin(planned, .gauge, "Memory that was planned at the start, by what it is for.")
    for (part, bytes) in [
      ("weights", memory.weights), ("latents", memory.latents), ("scratch", memory.scratch),
    ] {
      output.sample(planned, [("part", part)], value: Double(bytes))
    }
    guard let budget = try? MemoryBudget.measure() else { return }
    output.add(
      "hadal_memory_limit_bytes", .gauge, "The machine's memory or the control group's limit.",
      Double(budget.total))
    output.add(
      "hadal_memory_available_bytes", .gauge, "Memory that could still be taken.",
      Double(budget.available))
  }

  private func addProcess(_ process: ProcessStatistics, to output: inout PrometheusText) {
    output.add(
      "process_cpu_seconds_total", .counter, "Processor time of the process, user and system.",
      process.cpuSeconds)
    output.add(
      "process_resident_memory_bytes", .gauge, "Memory of the process that is resident.",
      Double(process.residentBytes))
    output.add(
      "process_virtual_memory_bytes", .gauge, "Address space of the process.",
      Double(process.virtualBytes))
    output.add(
      "process_start_time_seconds", .gauge, "When the process began, since 1970.",
      process.startSeconds)
    output.add(
      "process_open_fds", .gauge, "Open descriptors.", Double(process.openDescriptors))
    output.add(
      "process_max_fds", .gauge, "Descriptors that may be open.", Double(process.descriptorLimit))
    output.add("hadal_threads", .gauge, "Threads of the process.", Double(process.threads))
  }

  /// Without a quota there is nothing that stops anyone.
  private func addThrottling(_ measured: ProcessorThrottling?, to output: inout PrometheusText) {
    output.add(
      "hadal_cpu_periods_total", .counter, "Periods of the CPU quota in which the group ran.",
      Double(measured?.periods ?? 0))
    output.add(
      "hadal_cpu_throttled_periods_total", .counter,
      "Periods in which the group was stopped because its quota was used up.",
      Double(measured?.throttledPeriods ?? 0))
    output.add(
      "hadal_cpu_throttled_seconds_total", .counter, "Seconds that the quota stopped its threads.",
      measured?.throttledSeconds ?? 0)
  }
}
