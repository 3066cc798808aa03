// `hadal bench`: how fast the engine computes prompts and answers on this machine, and how near
// that is to what the machine can do.

import ArgumentParser
import Compute
import JSON
import Logging
import Platform
import Serving

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures tokens per second of prompts and of answers.",
    discussion: """
      Lists such as 0,4096 make a test of each combination. Every test goes through the engine as \
      requests do, once to warm up and then --repetitions times, with the values of --mtp in turns.

        hadal bench --prompt 512 --generate 64 --depth 0,4096 --batch 1,8

      The tests, and the columns of the table:

        prompt N         tokens of prompts over the time to the last
                         stream's first token; the context of --depth
                         tokens comes from the prefix cache
        generate N       tokens of answers while all streams of the
                         batch run, the first token left out
        tokens/s         of all streams together: median, min and max
        to off           the rate over that with --mtp off
        ms/step          time of a pass through the model
        GB/s, GOPS       bytes of weights and latents that a step has to
                         read, operations that it has to do (a
                         multiply-add is two), over its time
        of read, of peak the same as shares of what all threads together
                         were measured to do before and after the tests
        accepted         drafts of the MTP module that were right, the
                         first one of a step, the second, and so on

      The second table has the mean time of steps by their rows: a row is a stream's next token, \
      or a draft to be verified.
      """)

  @OptionGroup var options: ModelOptions
  @OptionGroup var running: RunningOptions

  @Option(
    help: ArgumentHelp("Tokens of prompts, a list; 0 leaves prompts out.", valueName: "n,..."))
  var prompt: CommaList<Int> = [512]

  @Option(
    help: ArgumentHelp("Tokens of answers, a list; 0 leaves answers out.", valueName: "n,..."))
  var generate: CommaList<Int> = [64]

  @Option(help: ArgumentHelp("Tokens of context before them, a list.", valueName: "n,..."))
  var depth: CommaList<Int> = [0]

  @Option(
    help: ArgumentHelp("Streams at once, a list; their tokens are added up.", valueName: "n,..."))
  var batch: CommaList<Int> = [1]

  @Option(
    help: ArgumentHelp(
      """
      Tokens that the MTP module drafts per step, a list: as many as pay, none, or always so many.
      """,
      valueName: "auto|off|1-\(Speculation.maxDepth),..."))
  var mtp: CommaList<Speculation> = [.auto]

  @Option(
    help: ArgumentHelp(
      """
      Pretend that drafts are right with this chance, from 0 to 1, decided by a seeded coin: what \
      speculation would bring then. All costs stay, the answers are nonsense.
      """, valueName: "chance"))
  var acceptance: Double?

  @Option(help: "Counted runs of each test.")
  var repetitions = 5

  @Option(
    help: ArgumentHelp(
      "Text that prompts are cut from. Default: random token ids.", valueName: "textfile"))
  var text: String?

  @Option(help: "0 is greedy.")
  var temperature = 0.0

  @Option(help: "Seed of prompts, draws and coins.")
  var seed: UInt64 = 0

  @Flag(help: "Also print the time of every operation of a step.")
  var profile = false

  @Flag(help: "Do not measure what the machine can do.")
  var noLimits = false

  @Flag(
    help: """
      Only measure what the machine can do, without a model: reads of memory, multiply-adds.
      """)
  var limits = false

  @Flag(
    help: """
      Only run the ladder of the kernels, without a model: every instruction set and format, \
      compared with the definition and timed with 1 to \(KernelTrial.rowLimit) rows.
      """)
  var kernels = false

  @Option(help: ArgumentHelp("Instruction sets of --kernels, a list.", valueName: "tier,..."))
  var tiers = CommaList(KernelTier.allCases)

  @Option(help: ArgumentHelp("Formats of --kernels, a list.", valueName: "format,..."))
  var formats = CommaList(ElementFormat.allCases)

  @Flag(help: "Print JSON instead of tables: an array; one object for --limits.")
  var json = false

  func run() throws {
    if kernels { return try runKernels() }
    if limits { return try runLimits() }
    try runTests()
  }

  private func startPool() throws -> WorkerPool {
    try WorkerPool(
      threadCount: options.threads ?? ProcessorBudget.measure().threads, memory: .measure())
  }

  private func runKernels() throws {
    let ladder = try KernelLadder(startPool(), tiers: tiers.values, formats: formats.values)
    try StandardOutput.writeLine(json ? ladder.json.text : ladder.text)
    if let deviation = ladder.deviation { throw CommandError(deviation) }
  }

  private func runLimits() throws {
    var limits = BenchLimits(try startPool(), Kernels.fastest.tier)
    for _ in 0..<2 { try limits.measure() }
    if let best = limits.best {
      try StandardOutput.writeLine(json ? best.json.text : best.text)
    }
  }

  private func runTests() throws {
    let coin = acceptance.map { AcceptanceCoin(probability: $0, seed: seed) }
    let engines = try BenchEngines(
      options, running, mtp.values, tests, coin: coin, isProfiled: profile)
    let prompts = try BenchPrompts(engines.model, textFile: text, seed: seed)
    var limits = BenchLimits(engines.backend.pool, engines.backend.kernels.tier)
    if !noLimits { try limits.measure() }
    let results = try tests.flatMap { try measure($0, engines, prompts) }
    if !noLimits { try limits.measure() }
    let report = BenchReport(
      model: engines.model.directory.name, threads: engines.model.threads, limits: limits.best,
      acceptance: acceptance, results: results)
    try StandardOutput.writeLine(json ? report.json.text : report.text)
  }

  private func measure(
    _ test: BenchTest, _ engines: BenchEngines, _ prompts: BenchPrompts
  ) throws -> [BenchResult] {
    var rows = engines.speculations.map { BenchResult(test: test, speculation: $0) }
    for repetition in 0...repetitions {
      for (engine, index) in zip(engines.handles, rows.indices) {
        var run = BenchRun(
          test: test, engine: engine, of: engines, prompts: prompts, temperature: temperature,
          seed: seed)
        run.label =
          "\(test), mtp \(rows[index].speculation.defaultValueDescription), "
          + (repetition == 0 ? "warm-up" : "repetition \(repetition) of \(repetitions)")
        let sample = try run.measure(number: repetition)
        if repetition > 0 { rows[index].samples.append(sample) }
      }
    }
    return rows
  }
}
