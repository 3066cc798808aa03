// The caps on connections, against a count by definition.

import HTTP
import TestSupport
import Testing

@Suite("Connection caps")
struct ConnectionCapTests {
  @Test("whoever comes and goes, no cap is ever passed and no room is left unused")
  func random() {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    var limits = HTTPLimits()
    limits.connections = 20
    limits.connectionsPerAddress = 6
    var cap = ConnectionCap(limits)
    var served: [UInt64?] = []
    var seen: Set<ServerStatistics.Refusal?> = []
    for _ in 0..<5_000 {
      if Int.random(in: 0..<5, using: &g) < 2, let index = served.indices.randomElement(using: &g) {
        cap.leave(served.remove(at: index))
        continue
      }
      let network: UInt64? = [nil, 1, 2, 3, 4, 5].randomElement(using: &g)!
      let verdict = cap.admit(network)
      let expected: ServerStatistics.Refusal? =
        served.count == 20
        ? .full : network != nil && served.count { $0 == network } == 6 ? .address : nil
      #expect(verdict == expected, "seed \(seed)")
      if verdict == nil { served.append(network) }
      seen.insert(verdict)
    }
    #expect(seen.count == 3, "seed \(seed)")
  }
}
