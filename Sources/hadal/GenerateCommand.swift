// `hadal generate`: one prompt, one answer, on the terminal.

import ArgumentParser
import DeepSeek
import Dispatch
import JSON
import Logging
import OpenAIAPI
import Platform
import Sampling
import Serving
import Text

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Continues one prompt and prints the text as it comes.")

  @OptionGroup var options: ModelOptions
  @OptionGroup var running: RunningOptions
  @OptionGroup var speculation: SpeculationOptions

  @Option(help: "Text to continue.")
  var prompt: String?

  @Option(help: "Token ids to continue, as in 1,2,3.")
  var promptTokens: String?

  @Option(help: "The most tokens to generate. Default: 256, less where the context ends.")
  var maxTokens: Int?

  @Option(help: "0 is greedy. Default: from generation_config.json, else 1.")
  var temperature: Double?

  @Option(help: "Seed of the draws. Default: a random one.")
  var seed: UInt64?

  @Flag(help: "Go on after the end of the text.")
  var ignoreEos = false

  @Flag(help: "Print one JSON object at the end instead of text.")
  var json = false

  func validate() throws {
    guard (prompt == nil) != (promptTokens == nil) else {
      throw ValidationError("give either --prompt or --prompt-tokens")
    }
    if let maxTokens, maxTokens < 0 {
      throw ValidationError("--max-tokens \(maxTokens) is negative")
    }
    if let temperature, !(temperature >= 0 && temperature <= 2) {
      throw ValidationError("--temperature \(temperature) is not from 0 to 2")
    }
  }

  func run() throws {
    let planned = try PlannedModel(options, running, mtp: speculation.mtp)
    let text = try ModelText(planned.directory, planned.configuration)
    let tokens = try promptTokens(text.tokenizer, vocabulary: planned.configuration.vocabularySize)
    let engine = try planned.start(Logger(label: "hadal", quiet: true))
    let room = engine.limits.contextLength - tokens.count
    guard room >= maxTokens ?? 1 else {
      let wish = maxTokens.map { " and \($0) were asked for" } ?? ""
      throw CommandError(
        "the prompt has \(tokens.count) tokens\(wish), the context \(engine.limits.contextLength)")
    }
    let request = GenerationRequest(
      prompt: tokens, sampling: sampling(text.defaults), maxTokens: maxTokens ?? min(256, room),
      stopTokens: ignoreEos ? [] : text.endTokens)
    var output = GenerationOutput(request: request, text: text, isStreaming: !json)
    try output.run(engine)
    if json { try StandardOutput.writeLine(output.json.text) }
  }

  private func promptTokens(_ tokenizer: Tokenizer?, vocabulary: Int) throws -> [Int32] {
    var tokens: [Int32] = []
    if let promptTokens {
      for word in promptTokens.split(separator: ",", omittingEmptySubsequences: false) {
        guard let token = Int32(word.filter { $0 != " " }), token >= 0, token < vocabulary else {
          throw CommandError("--prompt-tokens: '\(word)' is not a token id below \(vocabulary)")
        }
        tokens.append(token)
      }
    } else if let prompt {
      guard let tokenizer else {
        throw CommandError("\(ModelText.noTokenizer): give --prompt-tokens")
      }
      tokens = tokenizer.encode(prompt, addSpecialTokens: true)
    }
    guard !tokens.isEmpty else { throw CommandError("the prompt is empty") }
    return tokens
  }

  private func sampling(_ defaults: GenerationDefaults) -> SamplingParameters {
    var parameters = SamplingParameters()
    parameters.temperature = temperature ?? defaults.temperature ?? 1
    parameters.topP = defaults.topP ?? 1
    parameters.topK = max(defaults.topK ?? 0, 0)
    parameters.minP = defaults.minP ?? 0
    parameters.repetitionPenalty = defaults.repetitionPenalty ?? 1
    parameters.seed = seed ?? UInt64.random(in: 0 ... .max)
    return parameters
  }
}

/// Reads one answer to its end and prints it as it comes.
private struct GenerationOutput {
  let request: GenerationRequest
  let isStreaming: Bool
  private var decoder: IncrementalDecoder?
  private var answer: [Int32] = []
  private var answerText = ""
  private var reason = FinishReason.length
  private var firstTokenSeconds = 0.0
  private var totalSeconds = 0.0

  init(request: GenerationRequest, text: ModelText, isStreaming: Bool) {
    self.request = request
    self.isStreaming = isStreaming
    decoder = text.tokenizer.map { IncrementalDecoder($0, skipSpecialTokens: true) }
  }

  mutating func run(_ engine: EngineHandle) throws {
    let news = DispatchSemaphore(value: 0)
    let start = MonotonicClock.nanoseconds
    let stream = try engine.submit(request) { news.signal() }
    var isOver = false
    while !isOver {
      news.wait()
      for event in stream.drain() {
        switch event {
        case .started, .prompt: break
        case .token(let token, _):
          if answer.isEmpty { firstTokenSeconds = seconds(since: start) }
          answer.append(token)
          try emit(decoder?.append(token) ?? "\(answer.count > 1 ? " " : "")\(token)")
        case .finished(let finish):
          reason = finish
          isOver = true
        case .failed(let failure): throw CommandError("\(failure)")
        }
      }
    }
    totalSeconds = seconds(since: start)
    try emit(decoder?.finish() ?? "")
    if isStreaming { try StandardOutput.writeLine() }
  }

  private func seconds(since start: UInt64) -> Double {
    Double(MonotonicClock.nanoseconds - start) / 1e9
  }

  private mutating func emit(_ text: String) throws {
    answerText += text
    if isStreaming, !text.isEmpty { try StandardOutput.write(text) }
  }

  /// Token names are those of the HTTP API.
  var json: JSONValue {
    let decoding = totalSeconds - firstTokenSeconds
    return [
      "prompt_token_ids": .array(request.prompt.map { .integer(Int($0)) }),
      "token_ids": .array(answer.map { .integer(Int($0)) }),
      "text": decoder == nil ? .null : .string(answerText),
      "finish_reason": .string(reason == .stop ? "stop" : "length"),
      "seed": .string(String(request.sampling.seed)),
      "time_to_first_token_seconds": .double(firstTokenSeconds),
      "tokens_per_second": answer.count > 1 && decoding > 0
        ? .double(Double(answer.count - 1) / decoding) : .null,
    ]
  }
}
