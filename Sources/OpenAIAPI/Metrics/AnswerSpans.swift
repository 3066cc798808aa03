// How long answers took and how many tokens they had, as distributions under vLLM's names.

import Serving

/// One answer at its end.
struct EndedAnswer {
  var timings: GenerationTimings
  var promptTokens: Int
  var cachedTokens: Int
  var generatedTokens: Int
  /// The most tokens it might have had.
  var maxTokens: Int
}

/// Distributions over answers; the last two over requests.
struct AnswerSpans: Equatable {
  var endToEnd = Histogram(bounds: HistogramBounds.request)
  var queue = Histogram(bounds: HistogramBounds.request)
  var inference = Histogram(bounds: HistogramBounds.request)
  var prefill = Histogram(bounds: HistogramBounds.request)
  var decode = Histogram(bounds: HistogramBounds.request)
  /// The mean time between an answer's tokens, of answers with at least two.
  var perToken = Histogram(bounds: HistogramBounds.token)
  var promptTokens: Histogram
  var computedPromptTokens: Histogram
  var generatedTokens: Histogram
  var maxTokens: Histogram
  var choices = Histogram(bounds: HistogramBounds.choices)
  var longestAnswer: Histogram

  init(contextLength: Int) {
    let tokens = Histogram(bounds: HistogramBounds.tokens(upTo: contextLength))
    promptTokens = tokens
    computedPromptTokens = tokens
    generatedTokens = tokens
    maxTokens = tokens
    longestAnswer = tokens
  }

  mutating func record(_ answer: EndedAnswer) {
    let timings = answer.timings
    if let seconds = timings.endToEndSeconds { endToEnd.record(seconds) }
    if let seconds = timings.queueSeconds { queue.record(seconds) }
    if let seconds = timings.inferenceSeconds { inference.record(seconds) }
    if let seconds = timings.prefillSeconds { prefill.record(seconds) }
    if let seconds = timings.decodeSeconds {
      decode.record(seconds)
      let gaps = answer.generatedTokens - 1
      if gaps > 0 { perToken.record(seconds / Double(gaps)) }
    }
    promptTokens.record(Double(answer.promptTokens))
    computedPromptTokens.record(Double(answer.promptTokens - answer.cachedTokens))
    generatedTokens.record(Double(answer.generatedTokens))
    maxTokens.record(Double(answer.maxTokens))
  }
}

extension MetricsReport {
  /// The distributions over answers and requests.
  mutating func addSpans(_ s: AnswerSpans) {
    let histograms: [(String, String, Histogram)] = [
      ("e2e_request_latency_seconds", "Seconds from submission to last token.", s.endToEnd),
      ("request_queue_time_seconds", "Seconds in the queue.", s.queue),
      ("request_inference_time_seconds", "Seconds from admission to last token.", s.inference),
      ("request_prefill_time_seconds", "Seconds from admission to first token.", s.prefill),
      ("request_decode_time_seconds", "Seconds from first token to last.", s.decode),
      (
        "request_time_per_output_token_seconds", "Mean seconds between an answer's tokens.",
        s.perToken
      ),
      ("request_prompt_tokens", "Tokens of prompts.", s.promptTokens),
      (
        "request_prefill_kv_computed_tokens", "Tokens of prompts that were not found in the cache.",
        s.computedPromptTokens
      ),
      ("request_generation_tokens", "Tokens of answers.", s.generatedTokens),
      ("request_params_max_tokens", "Tokens that answers might have had.", s.maxTokens),
      ("request_params_n", "Answers that requests asked for.", s.choices),
      (
        "request_max_num_generation_tokens", "Tokens of each request's longest answer.",
        s.longestAnswer
      ),
    ]
    for (name, help, histogram) in histograms { output.add("vllm:\(name)", help, histogram) }
  }
}
