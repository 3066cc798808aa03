// Stacks of threads that hang, with the names of what they hang in.

import Glibc
import Platform
import Synchronization
import Testing

@Suite("Thread stacks")
struct ThreadStackTests {
  private final class Hook: Sendable {
    let hangs = Atomic<Bool>(true)
    let isThere = Atomic<Bool>(false)
  }

  @inline(never)
  private static func spinHere(_ hook: Hook) {
    hook.isThere.store(true, ordering: .releasing)
    while hook.hangs.load(ordering: .acquiring) {}
  }

  @inline(never)
  private static func sleepHere(_ hook: Hook) {
    hook.isThere.store(true, ordering: .releasing)
    while hook.hangs.load(ordering: .acquiring) { usleep(1000) }
  }

  @Test(
    "a thread that spins and one that sleeps are found where they are, and go on", .serialized,
    arguments: [true, false])
  func hang(spins: Bool) throws {
    let hook = Hook()
    let name = "test-\(UInt64.random(in: 0 ... .max))"
    let thread = try Thread(name: name) { spins ? Self.spinHere(hook) : Self.sleepHere(hook) }
    while !hook.isThere.load(ordering: .acquiring) { usleep(100) }
    for _ in 0..<3 {
      let stack = ThreadStacks.capture().first { $0.name == name }
      let frames = try #require(stack?.frames)
      let function = spins ? "spinHere" : "sleepHere"
      #expect(frames.contains { $0.contains(function) }, "\(frames)")
    }
    hook.hangs.store(false, ordering: .releasing)
    thread.join()
    #expect(!ThreadStacks.capture().contains { $0.name == name })
  }

  @Test("a condition that is waited for stays so")
  func waiting() throws {
    let (condition, isOver) = (Condition(), Hook())
    let thread = try Thread(name: "waiting") {
      isOver.isThere.store(true, ordering: .releasing)
      condition.wait { !isOver.hangs.load(ordering: .acquiring) }
    }
    while !isOver.isThere.load(ordering: .acquiring) { usleep(100) }
    #expect(ThreadStacks.capture().contains { $0.name == "waiting" && !$0.frames.isEmpty })
    isOver.hangs.store(false, ordering: .releasing)
    condition.broadcast()
    thread.join()
  }
}
