// `GET /metrics`, read with a parser of the tests' own.

import DeepSeek
import Glibc
import JSON
import OpenAIAPI
import Serving
import Synchronization
import Testing

@Suite("Metrics", .timeLimit(.minutes(5)))
struct MetricsTests {
  @Test("every number of the engine has its sample")
  func report() throws {
    var s = EngineStatistics()
    (s.runningSequences, s.waitingSequences) = (3, 4)
    (s.pausedSequences, s.pauses) = (6, 11)
    (s.pageCount, s.freePages, s.cachedPages) = (80, 40, 20)
    (s.promptTokens, s.cachedPromptTokens, s.prefilledTokens) = (1000, 600, 410)
    s.queriedPromptTokens = 700
    (s.generatedTokens, s.preemptions, s.draftRounds) = (9_007_199_254_740_991, 2, 50)
    (s.drafts[0].drafted, s.drafts[0].accepted) = (50, 30)
    (s.drafts[7].drafted, s.drafts[7].accepted) = (8, 1)
    s.stepCosts = [1, 2, 3].map { EngineStatistics.StepCost(rows: $0) }
    (s.stepCosts[2].steps, s.stepCosts[2].seconds) = (7, 0.125)
    var load = ExpertLoad(layer: 5, expertCount: 4)
    (load.tokens, load.passes, load.activeExperts) = ([1, 5, 2, 0], 2, 5)
    let report = MetricsReport(
      modelName: "alphabet", statistics: s, experts: [ExpertStatistics(load)])
    let metrics = try PrometheusParser(report.text)
    let expected: [(String, [String: String], Double)] = [
      ("vllm:num_requests_running", [:], 3), ("vllm:num_requests_waiting", [:], 4),
      ("hadal_num_requests_paused", [:], 6), ("hadal_pauses_total", [:], 11),
      ("vllm:kv_cache_usage_perc", [:], 0.25), ("hadal_kv_pages", ["state": "held"], 20),
      ("hadal_kv_pages", ["state": "cached"], 20), ("hadal_kv_pages", ["state": "free"], 40),
      ("vllm:num_preemptions_total", [:], 2), ("vllm:prompt_tokens_total", [:], 1000),
      ("vllm:generation_tokens_total", [:], 9_007_199_254_740_991),
      ("hadal_prefilled_tokens_total", [:], 410),
      ("vllm:prefix_cache_queries_total", [:], 700), ("vllm:prefix_cache_hits_total", [:], 600),
      ("vllm:prompt_tokens_by_source_total", ["source": "local_compute"], 400),
      ("vllm:prompt_tokens_by_source_total", ["source": "local_cache_hit"], 600),
      ("vllm:prompt_tokens_cached_total", [:], 600),
      ("vllm:spec_decode_num_drafts_total", [:], 50),
      ("vllm:spec_decode_num_draft_tokens_total", [:], 58),
      ("vllm:spec_decode_num_accepted_tokens_total", [:], 31),
      ("vllm:spec_decode_num_accepted_tokens_per_pos_total", ["position": "0"], 30),
      ("vllm:spec_decode_num_accepted_tokens_per_pos_total", ["position": "7"], 1),
      ("hadal_spec_decode_num_draft_tokens_per_pos_total", ["position": "0"], 50),
      ("hadal_spec_decode_num_draft_tokens_per_pos_total", ["position": "1"], 0),
      ("hadal_steps_total", ["rows": "3"], 7), ("hadal_step_seconds_total", ["rows": "3"], 0.125),
      ("hadal_expert_tokens_total", ["layer": "5", "expert": "1"], 5),
      ("hadal_expert_tokens_total", ["layer": "5", "expert": "3"], 0),
      ("hadal_expert_load_max_over_mean", ["layer": "5"], 2.5),
      ("hadal_active_experts_per_pass", ["layer": "5"], 2.5),
      ("hadal_expert_passes_total", ["layer": "5"], 2),
      ("hadal_active_experts_total", ["layer": "5"], 5),
    ]
    for (name, labels, value) in expected {
      #expect(metrics.value(name, labels) == value, "\(name) \(labels)")
      #expect(metrics.types[name] == (name.hasSuffix("_total") ? "counter" : "gauge"))
      #expect(metrics.helps[name]?.isEmpty == false)
    }
    let histograms = metrics.types.filter { $0.value == "histogram" }
    #expect(metrics.types.count - histograms.count == Set(expected.map(\.0)).count)
    #expect(
      Set(histograms.keys) == [
        "vllm:time_to_first_token_seconds", "vllm:inter_token_latency_seconds",
        "vllm:iteration_tokens_total",
      ])
    #expect(metrics.value("hadal_steps_total", ["rows": "1"]) == nil)
  }

  @Test("names and numbers of every kind survive")
  func escapes() throws {
    let name = "a \"b\" \\ c\nd\\n é 世界,}= \u{1F426}"
    var output = PrometheusText(labels: [("model_name", name), ("engine", "0")])
    output.begin("x", .gauge, "help \\ with \"quotes\"\nand lines")
    let numbers: [Double] = [0, -1.5, 1e-300, 1e300, .infinity, -.infinity, 0.1]
    for (index, number) in numbers.enumerated() {
      output.sample("x", ("index", "\(index)"), value: number)
    }
    output.add("y", .gauge, "", .nan)
    let metrics = try PrometheusParser(output.text)
    for (index, number) in numbers.enumerated() {
      #expect(metrics.value("x", ["index": "\(index)"], model: name) == number)
    }
    #expect(metrics.value("y", model: name)?.isNaN == true)
    #expect(metrics.helps["x"] == "help \\ with \"quotes\"\nand lines")
  }

  @Test("histograms have vLLM's bounds, rising counts and their sum")
  func histograms() throws {
    var histogram = Histogram(bounds: HistogramBounds.firstToken)
    for value in [0.0005, 0.001, 0.0011, 3, 2560, 2561] { histogram.record(value) }
    var output = PrometheusText(labels: [("model_name", "alphabet"), ("engine", "0")])
    output.add("h", "help", histogram)
    let metrics = try PrometheusParser(output.text)
    func bucket(_ bound: String) -> Double? { metrics.value("h_bucket", ["le": bound]) }
    #expect(bucket("0.001") == 2 && bucket("0.005") == 3 && bucket("1.0") == 3)
    #expect(bucket("2.5") == 3 && bucket("5.0") == 4 && bucket("2560.0") == 5)
    #expect(bucket("+Inf") == 6)
    #expect(metrics.value("h_count") == 6)
    #expect(metrics.value("h_sum") == histogram.sum)
    #expect(metrics.samples.count == HistogramBounds.firstToken.count + 3)
  }

  @Test("answers are counted by the way their clients saw them end")
  func answers() throws {
    let service = try TestService()
    let server = try TestServer(service.model)
    func post(_ members: JSONValue) throws {
      let base: JSONValue = ["prompt": [97], "temperature": 0, "max_tokens": 4]
      #expect(try server.post("/v1/completions", base.merging(members)).status == 200)
    }
    try post(["n": 2])
    try post(["prompt": [121]])
    try post(["stop": "d"])
    try post(["stop": "d", "stream": true])
    service.alphabet.isHeld.store(true, ordering: .relaxed)
    var connection: APIConnection? = try APIConnection(port: server.port)
    let body: JSONValue = ["prompt": [[97], [98]], "max_tokens": 250]
    try connection?.send(
      "POST", "/v1/completions", body: body.serialized(), type: "application/json")
    while service.model.engine.stepAge == nil { usleep(1000) }
    connection = nil
    func count(_ reason: String) throws -> Double? {
      let answer = try server.get("/metrics")
      #expect(answer.status == 200)
      #expect(answer.head.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8"))
      return try PrometheusParser(String(decoding: answer.body, as: UTF8.self))
        .value("vllm:request_success_total", ["finished_reason": reason])
    }
    while try count("abort") == 0 { usleep(1000) }
    service.alphabet.isHeld.store(false, ordering: .relaxed)
    #expect(try count("abort") == 2)
    #expect(try count("length") == 2)
    #expect(try count("stop") == 3)
    #expect(try server.exchange("HEAD", "/metrics").status == 200)
    #expect(try server.post("/metrics", [:]).status == 405)
  }
}
