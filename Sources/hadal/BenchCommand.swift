// `hadal bench`: how fast the engine computes prompts and answers on this machine.

import ArgumentParser
import JSON
import Logging
import Serving

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures tokens per second of prompts and of answers.",
    discussion: """
      Lists such as 0,4096 make a test of each combination. Every test goes through the engine as \
      requests do, once to warm up and then --repetitions times, with the values of --mtp in turns.

        prompt    tokens of prompts over the time to the last stream's first token; the context \
      of --depth tokens before them comes from the prefix cache
        generate  tokens of answers while all streams of the batch run: prompt processing and the \
      time after the first stream's end are left out
      """)

  @OptionGroup var options: ModelOptions

  @Option(help: "Tokens of prompts, a list; 0 leaves prompts out.")
  var prompt: CommaList<Int> = [512]

  @Option(help: "Tokens of answers, a list; 0 leaves answers out.")
  var generate: CommaList<Int> = [64]

  @Option(help: "Tokens of context before them, a list.")
  var depth: CommaList<Int> = [0]

  @Option(help: "Streams at once, a list; their tokens are added up.")
  var batch: CommaList<Int> = [1]

  @Option(help: "Speculative decoding, a list of auto, off or a number of drafts.")
  var mtp: CommaList<Speculation> = [.auto]

  @Option(help: "Counted runs of each test.")
  var repetitions = 5

  @Option(help: "Text file that prompts are cut from. Default: random token ids.")
  var text: String?

  @Option(help: "0 is greedy.")
  var temperature = 0.0

  @Option(help: "Seed of prompts and draws.")
  var seed: UInt64 = 0

  @Flag(help: "Print one JSON array instead of tables.")
  var json = false

  func validate() throws {
    try check("--prompt", prompt.values, 0...(1 << 24))
    try check("--generate", generate.values, 0...(1 << 24))
    try check("--depth", depth.values, 0...(1 << 24))
    try check("--batch", batch.values, 1...1024)
    try check("--repetitions", [repetitions], 1...1_000_000)
    guard temperature >= 0 && temperature <= 2 else {
      throw ValidationError("--temperature \(temperature) is not from 0 to 2")
    }
    guard !tests.isEmpty else {
      throw ValidationError("neither --prompt nor --generate leaves anything to measure")
    }
  }

  private func check(_ name: String, _ values: [Int], _ range: ClosedRange<Int>) throws {
    for value in values where !range.contains(value) {
      throw ValidationError(
        "\(name) \(value) is not from \(range.lowerBound) to \(range.upperBound)")
    }
  }

  /// Every combination, in the order of the lists.
  private var tests: [BenchTest] {
    depth.values.flatMap { depth in
      batch.values.flatMap { batch in
        prompt.values.map { BenchTest(kind: .prompt, tokens: $0, depth: depth, batch: batch) }
          + generate.values.map {
            BenchTest(kind: .generate, tokens: $0, depth: depth, batch: batch)
          }
      }
    }.filter { $0.tokens > 0 }
  }

  func run() throws {
    let tests = tests
    let engines = try BenchEngines(options, mtp.values, tests)
    let prompts = try BenchPrompts(engines.model, textFile: text, seed: seed)
    var results: [BenchResult] = []
    for test in tests {
      var rows = mtp.values.map { BenchResult(test: test, speculation: $0) }
      for repetition in 0...repetitions {
        for (engine, index) in zip(engines.handles, rows.indices) {
          let label = "\(test), mtp \(mtp.values[index].defaultValueDescription), "
          var run = BenchRun(
            test: test, engine: engine, prompts: prompts, temperature: temperature, seed: seed)
          run.label =
            label + (repetition == 0 ? "warm-up" : "repetition \(repetition) of \(repetitions)")
          let sample = try run.measure(number: repetition)
          if repetition > 0 { rows[index].samples.append(sample) }
        }
      }
      results += rows
    }
    let report = BenchReport(
      model: engines.model.directory.name, threads: engines.model.threads, results: results)
    print(json ? report.json.text : report.text)
  }
}

/// Different values with commas between them.
struct CommaList<Element: ExpressibleByArgument>: ExpressibleByArgument, ExpressibleByArrayLiteral {
  let values: [Element]

  init(arrayLiteral elements: Element...) { values = elements }

  /// Nil for a value that is none, and for one that comes twice.
  init?(argument: String) {
    let words = argument.split(separator: ",", omittingEmptySubsequences: false)
    values = words.compactMap { Element(argument: String($0)) }
    guard values.count == words.count, Set(words).count == words.count else { return nil }
  }

  var defaultValueDescription: String {
    values.map(\.defaultValueDescription).joined(separator: ",")
  }
}
