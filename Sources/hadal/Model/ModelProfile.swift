// What a model's routers do with a text: the load of every expert.

import DeepSeek
import JSON
import Logging
import Platform
import Serving
import Text

/// Expert loads after one text has gone through the model.
struct ModelProfile {
  /// Tokens of the text, and those that the context had room for.
  let textTokens: Int
  let tokens: Int
  /// The most tokens of one pass.
  let chunk: Int
  private let loads: [ExpertLoad]
  private let expertsPerToken: Int
  private let layerCount: Int

  /// Larger than any book.
  private static let fileLimit = 64 << 20

  init(_ planned: PlannedModel, textFile: String, log: Logger) throws {
    let bytes = try FileReader.read(textFile, limit: Self.fileLimit)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw CommandError("\(textFile) is not UTF-8")
    }
    guard !text.isEmpty else { throw CommandError("\(textFile) is empty") }
    guard let tokenizer = try ModelText(planned.directory, planned.configuration).tokenizer else {
      throw CommandError("--profile: \(ModelText.noTokenizer)")
    }
    let encoded = tokenizer.encode(text, addSpecialTokens: true)
    textTokens = encoded.count
    tokens = min(encoded.count, planned.limits.contextLength)
    chunk = planned.limits.prefillChunk
    expertsPerToken = planned.configuration.expertsPerToken
    layerCount = planned.configuration.layerCount
    let model = try planned.load(log)
    var pass = ProfilePass(model: model, tokens: Array(encoded.prefix(tokens)), log: log)
    pass.run(chunk: chunk)
    loads = model.expertLoads.filter { $0.passes > 0 }
  }

  var json: JSONValue {
    [
      "text_tokens": .integer(textTokens), "tokens": .integer(tokens),
      "tokens_per_pass": .integer(min(chunk, tokens)), "layers": .array(loads.map(json)),
    ]
  }

  private func json(_ load: ExpertLoad) -> JSONValue {
    let (expert, share) = busiest(load)
    return [
      "layer": .integer(load.layer), "is_mtp": .bool(isMTP(load)),
      "tokens": .integer(rows(load)),
      "max_over_mean": .double(load.imbalance),
      "experts_per_pass": .double(load.activeExpertsPerPass),
      "busiest_expert": .integer(expert), "busiest_share": .double(share),
      "shares": .array(shares(load).map { .double($0) }),
    ]
  }

  /// A table with a row for each mixture layer.
  var text: String {
    var table = TextTable(["layer", "tokens", "max/mean", "experts/pass", "busiest"])
    for load in loads {
      let (expert, share) = busiest(load)
      table.add([
        isMTP(load) ? "\(load.layer) MTP" : "\(load.layer)", "\(rows(load))",
        Self.fixed(load.imbalance), Self.fixed(load.activeExpertsPerPass),
        "\(expert) (\(Self.fixed(share * 100))%)",
      ])
    }
    let lines = table.text.split(separator: "\n").map { "\n  " + $0 }.joined()
    return "profile of \(tokens) tokens of \(textTokens), at most \(chunk) in a pass\(lines)"
  }

  private func isMTP(_ load: ExpertLoad) -> Bool { load.layer >= layerCount }

  /// Tokens that went through the layer.
  private func rows(_ load: ExpertLoad) -> Int { load.tokens.reduce(0, +) / expertsPerToken }

  /// Each expert's part of the layer's work.
  private func shares(_ load: ExpertLoad) -> [Double] {
    let total = Double(load.tokens.reduce(0, +))
    return load.tokens.map { Double($0) / total }
  }

  private func busiest(_ load: ExpertLoad) -> (expert: Int, share: Double) {
    let shares = shares(load)
    let expert = shares.indices.reduce(0) { shares[$1] > shares[$0] ? $1 : $0 }
    return (expert, shares[expert])
  }

  /// Two decimals.
  private static func fixed(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let (whole, rest) = hundredths.quotientAndRemainder(dividingBy: 100)
    return "\(whole).\(rest < 10 ? "0" : "")\(rest)"
  }
}

/// Takes one sequence through the main layers and the first MTP module.
private struct ProfilePass {
  let model: DeepSeekModel
  let tokens: [Int32]
  private let pages: [PageIndex]
  private var progress: Progress

  init(model: DeepSeekModel, tokens: [Int32], log: Logger) {
    self.model = model
    self.tokens = tokens
    let size = LatentStorage.tokensPerPage
    pages = (0..<(tokens.count + size - 1) / size).map { PageIndex($0) }
    progress = Progress(log)
  }

  mutating func run(chunk: Int) {
    for start in stride(from: 0, to: tokens.count, by: chunk) {
      let rows = start..<min(start + chunk, tokens.count)
      model.beginPrefill(batch(rows, firstVisible: 0))
      var layers = 0
      repeat {
        layers += 1
        progress.show(
          Double(start) + Double(rows.count * layers) / Double(model.layerCount), of: tokens.count)
      } while !model.advancePrefill(layers: 1)
      draft(after: rows)
    }
  }

  /// The module's rows start from the states of the chunk; each is numbered by the next token.
  private func draft(after rows: Range<Int>) {
    let drafted = rows.lowerBound + 1..<min(rows.upperBound + 1, tokens.count)
    guard model.canDraft, !drafted.isEmpty else { return }
    model.draft(
      batch(drafted, firstVisible: 1), from: (0..<drafted.count).map { .row(.prefill, $0) })
  }

  private func batch(_ rows: Range<Int>, firstVisible: Int) -> ForwardBatch {
    var batch = ForwardBatch()
    batch.append(
      Segment(
        firstPosition: rows.lowerBound, tokenCount: rows.count, pages: pages,
        firstVisible: firstVisible),
      tokens: tokens[rows])
    return batch
  }
}

/// Log lines about long work, one every two seconds.
private struct Progress {
  private let log: Logger
  private var lastLine = MonotonicClock.nanoseconds

  init(_ log: Logger) { self.log = log }

  mutating func show(_ done: Double, of total: Int) {
    let now = MonotonicClock.nanoseconds
    guard now - lastLine > 2_000_000_000 else { return }
    lastLine = now
    log.info("profiling", metadata: ["percent": "\(Int(done * 100) / total)"])
  }
}
