// `--limits`: what the machine can do, beside which all other figures stand.

import Compute
import JSON
import Logging
import Platform

/// Limits as measured so far: the machine may be busy with others at times, so the best counts.
struct BenchLimits {
  private let pool: WorkerPool
  private let tier: KernelTier
  private(set) var best: MachineLimits?

  /// The share of free memory that is read.
  private static let memoryShare = 4

  init(_ pool: WorkerPool, _ tier: KernelTier) {
    self.pool = pool
    self.tier = tier
  }

  /// Measures once more. No engine may have work.
  mutating func measure() throws {
    Logger(label: "hadal", quiet: false).info(
      "measuring limits", metadata: ["tier": "\(tier)", "threads": "\(pool.threadCount)"])
    let limits = try MachineLimits.measure(on: pool, tier: tier, memory: Self.memory())
    best = best?.best(limits) ?? limits
  }

  /// Bytes that a measurement may take.
  static func memory() throws -> Int { try MemoryBudget.measure().available / memoryShare }
}

extension MachineLimits {
  /// 10^9 operations per second; a multiply-add is two.
  private func operations(_ arithmetic: Arithmetic) -> Double { 2 * self[arithmetic] / 1e9 }

  var json: JSONValue {
    var row = JSONObject()
    row["read_gigabytes_per_second"] = .double(readBytesPerSecond / 1e9)
    for arithmetic in Arithmetic.allCases {
      row["\(arithmetic.rawValue)_gops"] = .double(operations(arithmetic))
    }
    return .object(row)
  }

  var text: String {
    let rates = Arithmetic.allCases.map { "\($0.rawValue) \(fixed(operations($0), 0))" }
    return "limits: read \(fixed(readBytesPerSecond / 1e9, 1)) GB/s, "
      + rates.joined(separator: ", ") + " GOPS"
  }
}
