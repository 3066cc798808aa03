// The counts of the routers' choices, held to what single tokens show: a pass of one row reads
// exactly the experts of that row.

import DeepSeek
import Dispatch
import TestSupport
import Testing

@Suite("Expert loads")
struct ExpertLoadTests {
  let parity: ParityCase
  let runner: SequenceRunner
  init() throws {
    parity = try ParityCase("parity/v3_mtp")
    runner = try SequenceRunner(directory: parity.directory)
  }

  /// Calls `pass` and returns what it has added to each layer.
  private func added(_ pass: () -> Void) -> [ExpertLoad] {
    let before = runner.model.expertLoads
    pass()
    return zip(runner.model.expertLoads, before).map { after, before in
      var difference = ExpertLoad(layer: after.layer, expertCount: after.tokens.count)
      difference.tokens = zip(after.tokens, before.tokens).map { $0 - $1 }
      difference.passes = after.passes - before.passes
      difference.activeExperts = after.activeExperts - before.activeExperts
      return difference
    }
  }

  private func draft(_ rows: Range<Int>, lane: ForwardLane) {
    let next = parity.tokens[rows.lowerBound + 1...rows.upperBound]
    runner.model.draft(
      runner.batch(next, at: rows.lowerBound + 1, firstVisible: 1),
      from: rows.indices.map { .row(lane, $0 - rows.lowerBound) })
  }

  @Test("passes of many rows count what their rows would alone")
  func counts() throws {
    // Layer 0 is dense, layer 3 is the MTP module's.
    #expect(runner.model.expertLoads.map(\.layer) == [1, 2, 3])
    #expect(runner.model.expertLoads.allSatisfy { $0.tokens == Array(repeating: 0, count: 8) })
    let rows = 0..<100
    let single = rows.map { row in
      added {
        runner.model.decode(runner.batch([parity.tokens[row]], at: row))
        draft(row..<row + 1, lane: .decode)
      }
    }
    for load in single.joined() {
      #expect(load.passes == 1 && load.activeExperts == 2)
      #expect(load.tokens.sorted() == [0, 0, 0, 0, 0, 0, 1, 1])
    }
    for chunk in [7, 100] {
      for start in stride(from: 0, to: rows.count, by: chunk) {
        let part = start..<min(start + chunk, rows.count)
        let together = added {
          runner.model.beginPrefill(runner.batch(parity.tokens[part], at: start))
          while !runner.model.advancePrefill(layers: 1) {}
          draft(part, lane: .prefill)
        }
        for (index, load) in together.enumerated() {
          let sums = (0..<8).map { expert in
            part.reduce(0) { $0 + single[$1][index].tokens[expert] }
          }
          #expect(load.tokens == sums)
          #expect(load.passes == 1)
          #expect(load.activeExperts == sums.count { $0 > 0 })
        }
      }
    }
  }

  @Test("readers on other threads see whole passes")
  func concurrentReads() {
    let group = DispatchGroup()
    let model = runner.model
    for _ in 0..<2 {
      DispatchQueue.global().async(group: group) {
        var seen = 0
        while seen < 100 {
          for load in model.expertLoads.dropLast() {
            // Three rows a pass, two experts a row.
            #expect(load.tokens.reduce(0, +) == 6 * load.passes)
            seen = load.passes
          }
        }
      }
    }
    for _ in 0..<100 { model.decode(runner.batch(parity.tokens[..<3], at: 0)) }
    group.wait()
  }

  @Test("imbalance and means")
  func derived() {
    var load = ExpertLoad(layer: 0, expertCount: 4)
    #expect(load.imbalance == 0 && load.activeExpertsPerPass == 0)
    load.tokens = [1, 5, 2, 0]
    (load.passes, load.activeExperts) = (2, 5)
    #expect(load.imbalance == 2.5 && load.activeExpertsPerPass == 2.5)
  }
}
