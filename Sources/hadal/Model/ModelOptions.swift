// Options that every command with a model shares: which one, and what it may use.

import ArgumentParser
import Compute
import DeepSeek

extension LatentFormat: ExpressibleByArgument {}
extension PromptAttention: ExpressibleByArgument {}

enum Precision: String, ExpressibleByArgument, CaseIterable {
  case fast
  case reference
}

struct ModelOptions: ParsableArguments {
  /// Read before the arguments are parsed, by `ConfigurationLayers`.
  @Option(
    help: ArgumentHelp(
      """
      YAML file with values of options, such as 'kv-tokens: 4096'. Variables such as \
      HADAL_KV_TOKENS go before it, and flags before both. Keys are the options of 'serve'; other \
      commands read those that they share.
      """, valueName: "file"))
  var config: String?

  @Option(
    help: """
      Model directory in Hugging Face layout, or GGUF file (of several parts, any one). Default: \
      the bundled demo model.
      """)
  var model: String?

  @Option(help: "Threads that compute. Default: what affinity and CPU quota allow.")
  var threads: Int?

  @Option(help: "Tokens that the pool of latents holds. Default: from the memory that is free.")
  var kvTokens: Int?

  @Option(
    help: """
      Format of cached latents; q8 takes half the memory and time of bf16. Default: bf16, f32 \
      with --precision reference.
      """)
  var kvType: LatentFormat?

  @Option(
    help: """
      expanded computes the attention of prompts' whole blocks of 512 tokens from keys and values \
      made for each chunk: faster for long prompts that find the server idle, slower where chunks \
      are small beside running answers, and answers in a prompt are computed again. Another form, \
      other last bits.
      """)
  var promptAttention = PromptAttention.absorbed

  @Option(help: "Sequences computed side by side; others wait.")
  var maxSequences = 8

  @Option(help: "Rows of prompts that go through the layers together.")
  var prefillChunk = 512

  @Option(
    help: """
      reference keeps activations and latents in float32, to compare implementations; fast keeps \
      latents in bf16, and rounds activations to it where the processor multiplies that faster.
      """)
  var precision = Precision.fast

  var latentFormat: LatentFormat {
    kvType ?? (precision == .reference ? .float32 : .bfloat16)
  }

  func validate() throws {
    guard model != "" else { throw ValidationError("--model is empty") }
    try check("--threads", threads, 1...1024)
    try check("--kv-tokens", kvTokens, 1...(1 << 32))
    try check("--max-sequences", maxSequences, 1...1024)
    try check("--prefill-chunk", prefillChunk, 1...8192)
    if precision == .reference, let kvType, kvType != .float32 {
      throw ValidationError(
        "--precision reference keeps latents in f32, not --kv-type \(kvType.rawValue)")
    }
  }

  private func check(_ name: String, _ value: Int?, _ range: ClosedRange<Int>) throws {
    guard let value, !range.contains(value) else { return }
    throw ValidationError("\(name) \(value) is not from \(range.lowerBound) to \(range.upperBound)")
  }
}
