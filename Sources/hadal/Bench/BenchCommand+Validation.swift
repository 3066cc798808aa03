// What `hadal bench` refuses before it begins, and the tests that it is asked for.

import ArgumentParser
import Compute
import Serving

extension BenchCommand {
  func validate() throws {
    try check("--prompt", prompt.values, 0...(1 << 24))
    try check("--generate", generate.values, 0...(1 << 24))
    try check("--depth", depth.values, 0...(1 << 24))
    try check("--batch", batch.values, 1...1024)
    try check("--repetitions", [repetitions], 1...1_000_000)
    guard temperature >= 0 && temperature <= 2 else {
      throw ValidationError("--temperature \(temperature) is not from 0 to 2")
    }
    if let acceptance, !(0...1).contains(acceptance) {
      throw ValidationError("--acceptance \(acceptance) is not from 0 to 1")
    }
    if acceptance != nil, mtp.values == [.off] {
      throw ValidationError("--acceptance needs drafts, which --mtp off does without")
    }
    guard !tests.isEmpty else {
      throw ValidationError("neither --prompt nor --generate leaves anything to measure")
    }
    try checkModes()
  }

  /// What the machine is measured by alone needs no tests, and the other way round.
  private func checkModes() throws {
    if limits, kernels { throw ValidationError("--limits goes without --kernels") }
    if limits || kernels, let name = try testOptions.first {
      throw ValidationError("\(kernels ? "--kernels" : "--limits") goes without \(name)")
    }
    if !kernels, tiers.values != KernelTier.allCases || formats.values != ElementFormat.allCases {
      throw ValidationError("--tiers and --formats belong to --kernels")
    }
  }

  /// The options given that only tests heed, but for those that may come from a configuration.
  private var testOptions: [String] {
    get throws {
      let standard = try Self.parse([])
      let isGiven: KeyValuePairs = [
        "--prompt": prompt.values != standard.prompt.values,
        "--generate": generate.values != standard.generate.values,
        "--depth": depth.values != standard.depth.values,
        "--batch": batch.values != standard.batch.values,
        "--mtp": mtp.values != standard.mtp.values,
        "--acceptance": acceptance != nil,
        "--repetitions": repetitions != standard.repetitions,
        "--text": text != nil,
        "--temperature": temperature != standard.temperature,
        "--seed": seed != standard.seed,
        "--profile": profile,
        "--no-limits": noLimits,
      ]
      return isGiven.filter(\.value).map(\.key)
    }
  }

  private func check(_ name: String, _ values: [Int], _ range: ClosedRange<Int>) throws {
    for value in values where !range.contains(value) {
      throw ValidationError(
        "\(name) \(value) is not from \(range.lowerBound) to \(range.upperBound)")
    }
  }

  /// Every combination, in the order of the lists.
  var tests: [BenchTest] {
    depth.values.flatMap { depth in
      batch.values.flatMap { batch in
        prompt.values.map { BenchTest(kind: .prompt, tokens: $0, depth: depth, batch: batch) }
          + generate.values.map {
            BenchTest(kind: .generate, tokens: $0, depth: depth, batch: batch)
          }
      }
    }.filter { $0.tokens > 0 }
  }
}
