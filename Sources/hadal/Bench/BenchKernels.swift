// `--kernels`: the ladder of the kernels, every tier and format against the definition and the
// machine.

import ArgumentParser
import Compute
import JSON
import Logging
import Platform

extension KernelTier: ExpressibleByArgument {}
extension ElementFormat: ExpressibleByArgument {}

/// One format with one tier and one number of rows.
private struct LadderResult {
  let format: ElementFormat
  let tier: KernelTier
  let arithmetic: Arithmetic
  let rows: Int
  let isExact: Bool
  let cached: KernelTrial.Rate
  /// With weights from memory; of one row alone.
  let streamed: KernelTrial.Rate?
}

struct KernelLadder {
  private let results: [LadderResult]
  private let limits: [KernelTier: MachineLimits]
  private let threads: Int

  private static let rowCounts = [1, 2, 4, 8, 64, KernelTrial.rowLimit]
  /// Bytes of weights that are read from memory.
  private static let streamedBytes = 256 << 20
  private static let patience: UInt64 = 2_000_000_000

  /// Compares and measures, which takes some seconds for each format.
  /// - Parameter tiers: those that this processor lacks are left out.
  init(_ pool: WorkerPool, tiers: [KernelTier], formats: [ElementFormat]) throws {
    threads = pool.threadCount
    let kernels = tiers.compactMap {
      Kernels(tier: $0, roundsInputs: $0.roundsInputs, quantisesInputs: true)
    }
    guard !kernels.isEmpty else { throw CommandError("--tiers: this processor has none of them") }
    var limits = kernels.map { BenchLimits(pool, $0.tier) }
    for index in limits.indices { try limits[index].measure() }
    var results: [LadderResult] = []
    var lastLine = MonotonicClock.nanoseconds
    for format in formats {
      let memory = min(Self.streamedBytes, try BenchLimits.memory())
      let trial = try KernelTrial(format, on: pool, memory: memory)
      for kernels in kernels {
        if MonotonicClock.nanoseconds - lastLine > Self.patience {
          lastLine = MonotonicClock.nanoseconds
          Logger(label: "hadal", quiet: false).info("\(format.rawValue), \(kernels.tier)")
        }
        results += Self.rowCounts.map { Self.measure(trial, kernels, rows: $0) }
      }
    }
    self.results = results
    var best: [KernelTier: MachineLimits] = [:]
    for index in limits.indices {
      try limits[index].measure()
      best[kernels[index].tier] = limits[index].best
    }
    self.limits = best
  }

  private static func measure(
    _ trial: KernelTrial, _ kernels: Kernels, rows: Int
  ) -> LadderResult {
    LadderResult(
      format: trial.format, tier: kernels.tier,
      arithmetic: kernels.arithmetic(for: trial.format), rows: rows,
      isExact: trial.isExact(kernels, rows: rows),
      cached: trial.cachedRate(kernels, rows: rows),
      streamed: rows == 1 ? trial.streamedRate(kernels) : nil)
  }

  /// Names what does not return the definition's bits; nil when everything does.
  var deviation: String? {
    let wrong = results.filter { !$0.isExact }
    guard !wrong.isEmpty else { return nil }
    return "not the bits of the scalar tier: "
      + wrong.map { "\($0.format.rawValue) \($0.tier) \($0.rows) rows" }.joined(separator: ", ")
  }

  private func shareOfPeak(_ result: LadderResult) -> Double {
    limits[result.tier].map { result.cached.multiplyAddsPerSecond / $0[result.arithmetic] } ?? 0
  }

  private func shareOfBandwidth(_ result: LadderResult, _ rate: KernelTrial.Rate) -> Double {
    limits[result.tier].map { rate.bytesPerSecond / $0.readBytesPerSecond } ?? 0
  }

  var json: JSONValue {
    .array(
      results.map { result in
        var row = JSONObject()
        row["format"] = .string(result.format.rawValue)
        row["tier"] = .string(result.tier.rawValue)
        row["arithmetic"] = .string(result.arithmetic.rawValue)
        row["rows"] = .integer(result.rows)
        row["threads"] = .integer(threads)
        row["exact"] = .bool(result.isExact)
        row["cached_gigabytes_per_second"] = .double(result.cached.bytesPerSecond / 1e9)
        row["cached_gops"] = .double(2 * result.cached.multiplyAddsPerSecond / 1e9)
        row["share_of_peak"] = .double(shareOfPeak(result))
        if let streamed = result.streamed {
          row["memory_gigabytes_per_second"] = .double(streamed.bytesPerSecond / 1e9)
          row["memory_gops"] = .double(2 * streamed.multiplyAddsPerSecond / 1e9)
          row["share_of_bandwidth"] = .double(shareOfBandwidth(result, streamed))
        }
        row["limits"] = limits[result.tier]?.json
        return .object(row)
      })
  }

  var text: String {
    var table = TextTable([
      "format", "rows", "exact", "GB/s", "GOPS", "of peak", "memory GB/s", "of read", "tier",
    ])
    for result in results {
      let streamed = result.streamed.map {
        [fixed($0.bytesPerSecond / 1e9, 1), percent(shareOfBandwidth(result, $0))]
      }
      table.add(
        [
          result.format.rawValue, "\(result.rows)", result.isExact ? "yes" : "NO",
          fixed(result.cached.bytesPerSecond / 1e9, 1),
          fixed(2 * result.cached.multiplyAddsPerSecond / 1e9, 1), percent(shareOfPeak(result)),
        ] + (streamed ?? ["", ""]) + ["\(result.tier)"])
    }
    let tiers = KernelTier.allCases.compactMap { tier in limits[tier].map { "\(tier) \($0.text)" } }
    return "kernels, threads \(threads)\n" + tiers.joined(separator: "\n") + "\n\n" + table.text
  }
}
