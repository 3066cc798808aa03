// `hadal convert`: a Hugging Face directory as one GGUF file.

import ArgumentParser
import Compute
import DeepSeek
import Logging
import Platform
import Weights

extension ExportType: ExpressibleByArgument {}

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Writes a model as a GGUF file, quantised if wanted.",
    discussion: """
      Reads a directory in Hugging Face layout (config.json, safetensors in bf16, fp16, f32 or \
      fp8, tokenizer.json) and writes one file that Hadal, llama.cpp and their kin load. Types:

        bf16    every matrix in bfloat16: 16 bits per weight
        q8_0    8-bit integers: 8.5 bits per weight, hardly any loss
        q4_k_m  4 bits, 6 where it matters most: about 4.9 bits per weight

      Norms, router and biases stay in float32, MTP modules at 8 bits or more. Rows that do not \
      divide into blocks of 256 get q5_0 or q8_0, those that do not divide by 32 float16. A \
      directory without tokenizer.json becomes a file that speaks token ids only.

        hadal convert --input DeepSeek-V3 --output v3.gguf --type q4_k_m
      """)

  @Option(help: "Model directory in Hugging Face layout.")
  var input: String

  @Option(help: "File to write; it appears when it is complete.")
  var output: String

  @Option(help: "What matrices become.")
  var type: ExportType

  @Option(help: "Threads that compute. Default: what affinity and CPU quota allow.")
  var threads: Int?

  @Flag(help: "Replace the output if it exists.")
  var force = false

  func validate() throws {
    guard !output.isEmpty else { throw ValidationError("--output is empty") }
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads \(threads) is not from 1 to 1024")
    }
  }

  func run() throws {
    guard !FileStatus.isDirectory(output) else { throw CommandError("\(output) is a directory") }
    guard force || !FileReader.exists(output) else {
      throw CommandError("\(output) exists; --force replaces it")
    }
    let log = Logger(label: "hadal", quiet: false)
    let directory = try ModelDirectory(input)
    guard !directory.isGGUF else {
      throw CommandError("\(input) is a GGUF file, but --input is to be a model directory")
    }
    let checkpoint = try Checkpoint.open(directory: directory.path)
    let export = try ModelExport(checkpoint, as: type)
    let metadata = try directory.exportMetadata(export.configuration, type)
    if !metadata.entries.contains(where: { $0.key == "tokenizer.ggml.tokens" }) {
      log.warning("no tokenizer.json: the file will speak token ids only")
    }
    let writer = GGUFWriter(metadata, tensors: export.tensors)
    log.info(
      "converting",
      metadata: [
        "input": "\(directory.path)", "output": "\(output)",
        "size": "\(ByteCount(writer.byteCount))",
      ])
    let pool = try WorkerPool(threadCount: threads ?? ProcessorBudget.measure().threads)
    var progress = ConversionProgress(total: writer.byteCount, log: log)
    try withExtendedLifetime(checkpoint) {
      try writer.write(to: output, pool: pool) { progress.report($0) }
    }
    try StandardOutput.writeLine(report(export.tensors, total: writer.byteCount))
  }

  private func report(_ tensors: [ExportTensor], total: Int) -> String {
    var table = TextTable(["format", "tensors", "size"])
    for format in ElementFormat.allCases {
      let group = tensors.filter { $0.format == format }
      guard !group.isEmpty else { continue }
      let bytes = group.reduce(0) { $0 + $1.byteCount }
      table.add([format.rawValue, "\(group.count)", "\(ByteCount(bytes))"])
    }
    return "\(table.text)\n\(output): \(ByteCount(total))"
  }
}

/// A line now and then that says how far a conversion is.
private struct ConversionProgress {
  let total: Int
  let log: Logger
  private var last = MonotonicClock.nanoseconds

  private static let interval: UInt64 = 10_000_000_000

  init(total: Int, log: Logger) {
    self.total = total
    self.log = log
  }

  mutating func report(_ written: Int) {
    let now = MonotonicClock.nanoseconds
    guard now - last >= Self.interval else { return }
    last = now
    let percent = Int(Double(written) / Double(total) * 100)
    log.info("converting", metadata: ["percent": "\(percent)", "written": "\(ByteCount(written))"])
  }
}
