// Planning and page keeping, without an engine.

import DeepSeek
import Serving
import TestSupport
import Testing

@Suite("Scheduler and pages")
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

  @Test("random allocations and releases never lose or share a page")
  func pages() {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    var allocator = PageAllocator(pageCount: 50)
    var held: [[PageIndex]] = []
    for _ in 0..<2000 {
      if Bool.random(using: &g) {
        let count = Int.random(in: 0...12, using: &g)
        let free = allocator.freeCount
        let pages = allocator.allocate(count)
        #expect((pages != nil) == (count <= free), "seed \(seed)")
        #expect(allocator.freeCount == (pages == nil ? free : free - count))
        if let pages { held.append(pages) }
      } else if let index = held.indices.randomElement(using: &g) {
        allocator.release(held.remove(at: index))
      }
      #expect(allocator.isConsistent(held: held.flatMap { $0 }), "seed \(seed)")
    }
    let pages = held.flatMap { $0 }
    #expect(!allocator.isConsistent(held: pages + [PageIndex(0)]), "a shared or free page shows")
    #expect(!allocator.isConsistent(held: Array(pages.dropLast())) || pages.isEmpty)
  }
}
