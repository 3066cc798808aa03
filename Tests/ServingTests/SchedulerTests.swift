// Planning, without an engine.

import Serving
import Testing

@Suite("Scheduler")
struct SchedulerTests {
  typealias Rows = StepPlan.Rows

  let scheduler = Scheduler(limits: EngineTests.limits(sequences: 3, chunk: 16))

  private func plan(
    _ running: [SchedulerView.Running], waiting: [SchedulerView.Waiting] = [], freePages: Int = 8
  ) -> StepPlan {
    scheduler.plan(SchedulerView(running: running, waiting: waiting, freePages: freePages))
  }

  @Test("answers advance by one, prompts share a chunk in order of arrival")
  func chunk() {
    let plan = plan([
      .init(pending: 1, isPrefilling: false), .init(pending: 10, isPrefilling: true),
      .init(pending: 30, isPrefilling: true),
    ])
    #expect(
      plan.rows == [
        Rows(sequence: 0, count: 1), .init(sequence: 1, count: 10),
        .init(sequence: 2, count: 6),
      ])
  }

  @Test("admission is in order, by places and by pages; the head of the queue is not passed")
  func admission() {
    let one = SchedulerView.Running(pending: 1, isPrefilling: false)
    let small = SchedulerView.Waiting(promptCount: 4, pagesNeeded: 1)
    let large = SchedulerView.Waiting(promptCount: 4, pagesNeeded: 7)
    #expect(plan([one], waiting: [small, small, small]).admitted == 2)
    #expect(plan([one], waiting: [small, large, small], freePages: 7).admitted == 1)
    #expect(plan([one], waiting: [large, small], freePages: 6).admitted == 0)
    #expect(plan([one], waiting: [large], freePages: 7).rows.last == Rows(sequence: 1, count: 4))
  }

  @Test("a full chunk admits but does not compute; nothing to do is an empty plan")
  func limits() {
    let filling = SchedulerView.Running(pending: 40, isPrefilling: true)
    let plan = plan([filling], waiting: [.init(promptCount: 5, pagesNeeded: 1)])
    #expect(plan.admitted == 1)
    #expect(plan.rows == [Rows(sequence: 0, count: 16)])
    #expect(self.plan([]) == StepPlan())
  }
}
