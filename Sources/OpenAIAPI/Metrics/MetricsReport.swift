// What `GET /metrics` says: vLLM's names where vLLM has the metric (docs.vllm.ai, "Production
// Metrics"), `hadal_` for the rest.

import Serving

/// One scrape.
package struct MetricsReport {
  var output: PrometheusText

  package var text: String { output.text }

  /// - Parameter host: adds what the program around the API knows.
  init(_ model: ServedModel, host: HostMetrics) {
    let engine = model.engine
    self.init(
      modelName: model.name, statistics: engine.statistics, experts: engine.expertStatistics)
    let answers = model.answers.current
    addAnswers(answers)
    addSpans(answers.spans)
    addTraffic(engine.memoryTraffic)
    addCache(engine.limits)
    if let workers = engine.workers { addWorkers(workers) }
    addRequests(model.requests)
    host.add(&output)
  }

  package init(
    modelName: String, statistics: EngineStatistics, experts: [ExpertStatistics]
  ) {
    // vLLM numbers its engines; there is one here.
    output = PrometheusText(labels: [("model_name", modelName), ("engine", "0")])
    addQueue(statistics)
    addTokens(statistics)
    addLatencies(statistics)
    addSpeculation(statistics)
    addSteps(statistics.stepCosts)
    addExperts(experts)
  }

  private mutating func addQueue(_ s: EngineStatistics) {
    output.add(
      "vllm:num_requests_running", .gauge, "Sequences being computed.", Double(s.runningSequences))
    output.add(
      "vllm:num_requests_waiting", .gauge, "Sequences waiting to be computed.",
      Double(s.waitingSequences))
    output.add(
      "hadal_num_requests_paused", .gauge, "Sequences set aside until their readers catch up.",
      Double(s.pausedSequences))
    output.add(
      "hadal_pauses_total", .counter, "Times that sequences were set aside for their readers.",
      Double(s.pauses))
    let held = s.pageCount - s.freePages - s.cachedPages
    output.add(
      "vllm:kv_cache_usage_perc", .gauge,
      "Share of latent pages held by running sequences, 1 being all.",
      s.pageCount > 0 ? Double(held) / Double(s.pageCount) : 0)
    let pages = "hadal_kv_pages"
    output.begin(pages, .gauge, "Pages of the latent pool.")
    for (state, count) in [("held", held), ("cached", s.cachedPages), ("free", s.freePages)] {
      output.sample(pages, ("state", state), value: Double(count))
    }
    output.add(
      "vllm:num_preemptions_total", .counter,
      "Sequences that gave up their pages and were computed again.", Double(s.preemptions))
  }

  private mutating func addTokens(_ s: EngineStatistics) {
    output.add(
      "vllm:prompt_tokens_total", .counter, "Tokens of prompts, cached ones included.",
      Double(s.promptTokens))
    output.add(
      "vllm:generation_tokens_total", .counter, "Generated tokens.", Double(s.generatedTokens))
    let sources = "vllm:prompt_tokens_by_source_total"
    output.begin(sources, .counter, "Tokens of prompts by where their latents came from.")
    for (source, count) in [
      ("local_compute", s.promptTokens - s.cachedPromptTokens),
      ("local_cache_hit", s.cachedPromptTokens),
    ] {
      output.sample(sources, ("source", source), value: Double(count))
    }
    output.add(
      "vllm:prompt_tokens_cached_total", .counter,
      "Tokens of prompts that were found in the cache.",
      Double(s.cachedPromptTokens))
    output.add(
      "hadal_prefilled_tokens_total", .counter,
      "Tokens of prompts and of preempted sequences that were computed.",
      Double(s.prefilledTokens))
    output.add(
      "vllm:prefix_cache_queries_total", .counter, "Tokens looked up in the prefix cache.",
      Double(s.queriedPromptTokens))
    output.add(
      "vllm:prefix_cache_hits_total", .counter, "Tokens found in the prefix cache.",
      Double(s.cachedPromptTokens))
  }

  private mutating func addLatencies(_ s: EngineStatistics) {
    output.add(
      "vllm:time_to_first_token_seconds", "Seconds from submission to first token.",
      s.firstTokenSeconds)
    output.add(
      "vllm:inter_token_latency_seconds",
      "Seconds between steps that brought tokens of the same answer.", s.interTokenSeconds)
    output.add(
      "vllm:iteration_tokens_total", "Tokens of prompts and answers that a step brought.",
      s.stepTokens)
  }

  private mutating func addSpeculation(_ s: EngineStatistics) {
    output.add(
      "vllm:spec_decode_num_drafts_total", .counter,
      "Steps in which a sequence had drafts, summed over sequences.", Double(s.draftRounds))
    output.add(
      "vllm:spec_decode_num_draft_tokens_total", .counter, "Drafts that were verified.",
      Double(s.drafts.reduce(0) { $0 + $1.drafted }))
    output.add(
      "vllm:spec_decode_num_accepted_tokens_total", .counter, "Drafts that were accepted.",
      Double(s.drafts.reduce(0) { $0 + $1.accepted }))
    let accepted = "vllm:spec_decode_num_accepted_tokens_per_pos_total"
    output.begin(accepted, .counter, "Accepted drafts by position.")
    for (position, count) in s.drafts.enumerated() {
      output.sample(accepted, ("position", "\(position)"), value: Double(count.accepted))
    }
    let drafted = "hadal_spec_decode_num_draft_tokens_per_pos_total"
    output.begin(drafted, .counter, "Verified drafts by position.")
    for (position, count) in s.drafts.enumerated() {
      output.sample(drafted, ("position", "\(position)"), value: Double(count.drafted))
    }
  }

  private mutating func addSteps(_ costs: [EngineStatistics.StepCost]) {
    let seen = costs.filter { $0.steps > 0 }
    output.begin("hadal_steps_total", .counter, "Decode steps by rows.")
    for cost in seen {
      output.sample("hadal_steps_total", ("rows", "\(cost.rows)"), value: Double(cost.steps))
    }
    output.begin("hadal_step_seconds_total", .counter, "Time in decode steps by rows.")
    for cost in seen {
      output.sample("hadal_step_seconds_total", ("rows", "\(cost.rows)"), value: cost.seconds)
    }
  }

  private mutating func addExperts(_ experts: [ExpertStatistics]) {
    let tokens = "hadal_expert_tokens_total"
    output.begin(tokens, .counter, "Tokens that each routed expert computed.")
    for layer in experts {
      for (expert, count) in layer.tokens.enumerated() {
        output.sample(
          tokens, ("layer", "\(layer.layer)"), ("expert", "\(expert)"), value: Double(count))
      }
    }
    let perLayer: [(String, PrometheusText.Kind, String, (ExpertStatistics) -> Double)] = [
      (
        "hadal_expert_load_max_over_mean", .gauge,
        "Tokens of the busiest expert over the mean, since the start.", { $0.imbalance }
      ),
      (
        "hadal_active_experts_per_pass", .gauge,
        "Experts that a pass reads on average, since the start.", { $0.activeExpertsPerPass }
      ),
      (
        "hadal_expert_passes_total", .counter, "Passes through the layer.",
        { Double($0.passes) }
      ),
      (
        "hadal_active_experts_total", .counter, "Experts read, summed over the passes.",
        { Double($0.activeExperts) }
      ),
    ]
    for (name, kind, help, value) in perLayer {
      output.begin(name, kind, help)
      for layer in experts {
        output.sample(name, ("layer", "\(layer.layer)"), value: value(layer))
      }
    }
  }

  private mutating func addAnswers(_ counts: AnswerCounts.Counts) {
    let name = "vllm:request_success_total"
    output.begin(name, .counter, "Answers by the way they ended.")
    for (reason, count) in [
      ("stop", counts.stopped), ("length", counts.lengthReached), ("abort", counts.aborted),
      ("error", counts.failed),
    ] {
      output.sample(name, ("finished_reason", reason), value: Double(count))
    }
  }
}
