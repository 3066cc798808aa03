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

  private func checkModes() throws {
    if limits && (kernels || noLimits) {
      throw ValidationError("--limits goes with neither --kernels nor --no-limits")
    }
    if kernels && (noLimits || profile || acceptance != nil) {
      throw ValidationError("--kernels goes without --no-limits, --profile and --acceptance")
    }
    if limits && (profile || acceptance != nil) {
      throw ValidationError("--limits goes without --profile and --acceptance")
    }
    if !kernels && (tiers.values != KernelTier.allCases || formats.values != ElementFormat.allCases)
    {
      throw ValidationError("--tiers and --formats belong to --kernels")
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
