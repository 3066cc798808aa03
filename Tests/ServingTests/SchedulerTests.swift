// Planning, without an engine.

import DeepSeek
import Serving
import Testing

@Suite("Scheduler")
struct SchedulerTests {
  typealias Running = SchedulerView.Running
  typealias Chunk = StepPlan.Chunk

  let scheduler = Scheduler(limits: EngineTests.limits(sequences: 3, chunk: 16), layerCount: 10)

  private func plan(_ running: [Running], _ change: (inout SchedulerView) -> Void = { _ in })
    -> StepPlan
  {
    var view = SchedulerView()
    view.running = running
    view.availablePages = 8
    change(&view)
    var plan = StepPlan()
    scheduler.plan(view, into: &plan)
    return plan
  }

  @Test("answers decode, prompts share a chunk in order")
  func chunk() {
    let plan = plan([Running(pending: 1), Running(pending: 10), Running(pending: 30)])
    #expect(plan.decodes == [0])
    #expect(plan.chunks == [Chunk(sequence: 1, count: 10), Chunk(sequence: 2, count: 6)])
    #expect(self.plan([]).isEmpty)
  }

  @Test("a prefill under way goes on before another one begins")
  func underWay() {
    let plan = plan([Running(pending: 30), Running(pending: 5)]) {
      $0.prefill = (rows: 16, layers: 4)
    }
    #expect(plan.chunks.isEmpty)
    #expect(plan.prefillLayers == 1, "nothing is known of its cost")
  }

  @Test("layers fill the target step time, at least one, at most what is left")
  func layers() {
    let decoding = [Running(pending: 1), Running(pending: 40)]
    func layers(rowSeconds: Double, decodeSeconds: Double, left: Int) -> Int {
      plan(decoding) {
        $0.prefill = (rows: 40, layers: left)
        ($0.prefillRowSeconds, $0.decodeSeconds) = (rowSeconds, decodeSeconds)
      }.prefillLayers
    }
    // The target is 50 ms; a layer takes 40 rows.
    #expect(layers(rowSeconds: 0.0002, decodeSeconds: 0.01, left: 9) == 5)
    #expect(layers(rowSeconds: 0.0002, decodeSeconds: 0.01, left: 3) == 3)
    #expect(layers(rowSeconds: 0.0002, decodeSeconds: 0.2, left: 9) == 1)
    #expect(layers(rowSeconds: 1, decodeSeconds: 0, left: 9) == 1)
    #expect(layers(rowSeconds: 1e-300, decodeSeconds: 0, left: 9) == 9)
  }

  @Test("beside answers a chunk has as many rows as one layer has time for, but not too few")
  func chunkBesideAnswers() {
    let scheduler = Scheduler(limits: EngineTests.limits(chunk: 500), layerCount: 10)
    func rows(rowSeconds: Double, answers: Int = 1) -> Int {
      var view = SchedulerView()
      view.running = [Running](repeating: Running(pending: 1), count: answers)
      view.running.append(Running(pending: 1000))
      view.availablePages = 8
      (view.prefillRowSeconds, view.decodeSeconds) = (rowSeconds, 0.01)
      var plan = StepPlan()
      scheduler.plan(view, into: &plan)
      return plan.chunks.reduce(0) { $0 + $1.count }
    }
    #expect(rows(rowSeconds: 0.0004) == 100)
    #expect(rows(rowSeconds: 0.0004, answers: 0) == 500)
    #expect(rows(rowSeconds: 1) == 32)
    #expect(rows(rowSeconds: 1e-9) == 500)
    #expect(rows(rowSeconds: 0) == 500, "nothing is known of its cost")
  }

  @Test("without decodes their cost does not count")
  func prefillAlone() {
    // A chunk of 16 rows is taken to cost as much as one of 32.
    let plan = plan([Running(pending: 16)]) {
      ($0.prefillRowSeconds, $0.decodeSeconds) = (0.00025, 1)
    }
    #expect(plan.prefillLayers == 6)
  }

  @Test("when pages run out the last sequence gives up its own")
  func preemption() {
    let starving = Running(pending: 1, missingPages: 1)
    #expect(plan([starving, starving]) { $0.availablePages = 1 }.preempted == 1)
    #expect(plan([starving, Running(pending: 9)]) { $0.availablePages = 0 }.preempted == 1)
    #expect(plan([starving, Running(pending: 1)]) { $0.availablePages = 1 }.decodes == [0, 1])
  }

  @Test("admission leaves a page for each running sequence")
  func admission() {
    func admits(_ needed: Int, revived: Int = 0, running: Int, available: Int) -> Bool {
      scheduler.admits(
        neededPages: needed, revivedPages: revived, runningCount: running,
        availablePages: available)
    }
    #expect(admits(8, running: 0, available: 8))
    #expect(!admits(8, running: 1, available: 8))
    #expect(admits(6, revived: 1, running: 1, available: 8))
    #expect(!admits(6, revived: 2, running: 1, available: 8))
    #expect(!admits(1, running: 3, available: 8), "all places are taken")
  }
}
