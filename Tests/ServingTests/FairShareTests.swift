// Turns of clients: the pure order against what fairness means, and the engine that follows it.

import Sampling
import Serving
import Synchronization
import TestSupport
import Testing

/// A queue with its clients, and how often each was served while it and another one waited.
private struct FairQueue {
  struct Waiting {
    let number: Int
    var candidate: FairShare.Candidate
  }

  var share = FairShare()
  var waiting: [Waiting] = []
  /// By pair of clients: times that each was served since one of them last had nothing waiting.
  var served: [SIMD2<Int>: SIMD2<Int>] = [:]
  private var next = 0

  mutating func add(client: Int, priority: Int = 0) {
    let candidate = FairShare.Candidate(client: client, priority: priority, isResumed: false)
    insert(Waiting(number: next, candidate: candidate))
    next += 1
  }

  /// As the engine lists them: by priority and arrival.
  private mutating func insert(_ sequence: Waiting) {
    waiting.append(sequence)
    waiting.sort { ($0.candidate.priority, $0.number) < ($1.candidate.priority, $1.number) }
  }

  mutating func preempt(_ sequence: Waiting) {
    let old = sequence.candidate
    let resumed = FairShare.Candidate(client: old.client, priority: old.priority, isResumed: true)
    insert(Waiting(number: sequence.number, candidate: resumed))
  }

  mutating func serve() -> Waiting? {
    guard let index = share.next(in: waiting.lazy.map(\.candidate)) else { return nil }
    let sequence = waiting.remove(at: index)
    if !sequence.candidate.isResumed { share.begin(sequence.candidate.client) }
    return sequence
  }

  var clients: Set<Int> { Set(waiting.map(\.candidate.client)) }

  /// The largest lead of one client over another that waited all the time.
  mutating func lead(after client: Int, waitedBefore: Set<Int>) -> Int {
    let still = clients
    served = served.filter {
      waitedBefore.contains($0.key[0]) && waitedBefore.contains($0.key[1])
    }
    for other in waitedBefore where other != client {
      let pair = SIMD2(min(client, other), max(client, other))
      served[pair, default: .zero][client == pair[0] ? 0 : 1] += 1
    }
    let lead = served.values.map { abs($0[0] - $0[1]) }.max() ?? 0
    served = served.filter { still.contains($0.key[0]) && still.contains($0.key[1]) }
    return lead
  }
}

@Suite("Fair share")
struct FairShareTests {
  @Test("clients take turns, whoever asks for how much, and each is served in order")
  func turns() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<200 {
      var queue = FairQueue()
      var last: [Int: Int] = [:]
      let eagerness = (0..<6).map { _ in Int.random(in: 1...30, using: &random) }
      for _ in 0..<400 {
        for client in 0..<6 where Int.random(in: 0..<30, using: &random) < eagerness[client] / 3 {
          queue.add(client: client)
        }
        if Int.random(in: 0..<10, using: &random) == 0 {
          queue.waiting.removeAll { _ in Int.random(in: 0..<3, using: &random) == 0 }
          queue.served = queue.served.filter {
            queue.clients.contains($0.key[0]) && queue.clients.contains($0.key[1])
          }
        }
        let before = queue.clients
        guard let sequence = queue.serve() else { continue }
        let client = sequence.candidate.client
        let lead = queue.lead(after: client, waitedBefore: before)
        #expect(lead <= 2, "seed \(seed)")
        #expect(last[client] ?? -1 < sequence.number, "seed \(seed)")
        last[client] = sequence.number
        #expect(queue.share.clientCount <= 6, "seed \(seed)")
      }
    }
  }

  @Test("newcomers never pass what was chosen, however many they are")
  func newcomers() {
    var queue = FairQueue()
    for _ in 0..<3 { queue.add(client: 0) }
    _ = queue.serve()
    let waiting = queue.waiting.map(\.candidate)
    let chosen = queue.share.next(in: waiting)
    #expect(chosen == 0)
    for client in 1...1000 { queue.add(client: client) }
    let second = queue.serve()
    #expect(second?.number == 1)
    // The rest of its answers waits for the others' turns.
    for _ in 1...1000 {
      let other = queue.serve()
      #expect(other?.candidate.client != 0)
    }
    let last = queue.serve()
    #expect(last?.number == 2)
  }

  @Test("a lower priority number goes before any turn, what was preempted before what never ran")
  func priorities() throws {
    var queue = FairQueue()
    for _ in 0..<4 { queue.add(client: 0, priority: 0) }
    queue.add(client: 1, priority: 1)
    let served = queue.serve()
    let first = try #require(served)
    #expect(first.number == 0)
    queue.add(client: 2, priority: 0)
    queue.preempt(first)
    let order = (0..<6).map { _ in queue.serve()?.number }
    #expect(order == [0, 5, 1, 2, 3, 4])
  }

  @Test("who left the queue long ago is forgotten")
  func memory() {
    var queue = FairQueue()
    for client in 0..<10_000 {
      queue.add(client: client)
      queue.add(client: client + 1)
      _ = queue.serve()
      #expect(queue.share.clientCount <= 3)
      if client.isMultiple(of: 3) { while queue.serve() != nil {} }
    }
    while queue.serve() != nil {}
    #expect(queue.share.clientCount == 0)
  }

  @Test("the engine admits by turns")
  func engine() throws {
    let inbox = EngineInbox(queueLength: 16)
    let limits = EngineTests.limits(sequences: 1, queue: 16)
    let engine = Engine(
      model: ScriptedModel(rowCapacity: 20), limits: limits, inbox: inbox)
    let started = Mutex<[Int]>([])
    var streams: [TokenStream] = []
    for client in [7, 7, 7, 7, 8, 8, 9] {
      let request = GenerationRequest(
        prompt: [1], sampling: SamplingParameters(), maxTokens: 1, client: client)
      streams.append(
        try inbox.submit(request) { _ in
          TokenStream(
            capacity: 4, notify: { started.withLock { $0.append(client) } }, cancelled: {},
            resumed: {})
        })
    }
    while engine.step() == .worked {}
    #expect(started.withLock { $0 } == [7, 8, 9, 7, 8, 7, 7])
  }

  @Test("one client cannot fill the queue")
  func queue() throws {
    let inbox = EngineInbox(queueLength: 16)
    func submit(_ client: Int) throws {
      let request = GenerationRequest(
        prompt: [1], sampling: SamplingParameters(), maxTokens: 1, client: client)
      _ = try inbox.submit(request) { _ in
        TokenStream(capacity: 4, notify: {}, cancelled: {}, resumed: {})
      }
    }
    for _ in 0..<14 { try submit(1) }
    #expect(throws: ServingError.queueFull(limit: 14, retrySeconds: 1)) { try submit(1) }
    try submit(2)
    #expect(throws: ServingError.queueFull(limit: 14, retrySeconds: 1)) { try submit(2) }
    try submit(3)
    #expect(throws: ServingError.queueFull(limit: 16, retrySeconds: 1)) { try submit(4) }
  }
}
