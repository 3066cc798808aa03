// The door into the engine: submissions and cancellations, bounded.

import Platform
import Synchronization

/// A request on its way to the engine.
struct Submission: Sendable {
  let id: SequenceID
  let request: GenerationRequest
  let stream: TokenStream
}

/// What other threads want of the engine. Sequences count against the bound until they are
/// admitted. The last places are for clients of whom nothing waits yet, so that nobody can keep
/// others out by filling the queue.
package final class EngineInbox: Sendable {
  struct Contents: Sendable {
    var submissions: [Submission] = []
    var cancellations: [SequenceID] = []
    /// Paused sequences whose readers have caught up.
    var resumptions: [SequenceID] = []
    var isStopping = false
  }

  private struct State {
    var contents = Contents()
    var waiting = 0
    /// The same by client; those of whom nothing waits are not listed.
    var waitingByClient: [Int: Int] = [:]
    var pace = QueuePace()
    var nextID = 0
    var isClosed = false
  }

  private let state = Mutex(State())
  private let hasNews = Atomic<Bool>(false)
  private let alarm = Condition()
  private let queueLength: Int
  private let clock: @Sendable () -> UInt64

  /// - Parameter clock: the engine's, for the moment of a submission.
  package init(
    queueLength: Int, clock: @escaping @Sendable () -> UInt64 = { MonotonicClock.nanoseconds }
  ) {
    self.queueLength = queueLength
    self.clock = clock
  }

  /// Adds a request, for which `makeStream` is called with its number.
  package func submit(
    _ request: GenerationRequest, makeStream: (SequenceID) -> TokenStream
  ) throws(ServingError) -> TokenStream {
    let now = clock()
    let stream = try state.withLock { state throws(ServingError) in
      guard !state.isClosed else { throw .engineFailed }
      let own = state.waitingByClient[request.client] ?? 0
      let limit = own > 0 ? EngineLimits.clientShare(ofQueue: queueLength) : queueLength
      guard state.waiting < limit else {
        throw .queueFull(limit: limit, retrySeconds: state.pace.refuse(at: now))
      }
      let id = SequenceID(rawValue: state.nextID)
      let stream = makeStream(id)
      stream.begin(at: now)
      state.nextID += 1
      state.waiting += 1
      state.pace.take(at: now)
      state.waitingByClient[request.client] = own + 1
      state.contents.submissions.append(Submission(id: id, request: request, stream: stream))
      return stream
    }
    announce()
    return stream
  }

  /// Refuses all further requests. What came before is there to be taken, announced or not yet.
  func close() {
    state.withLock { $0.isClosed = true }
    announce()
  }

  package func cancel(_ id: SequenceID) {
    state.withLock { $0.contents.cancellations.append(id) }
    announce()
  }

  /// Lets a paused sequence go on.
  package func resume(_ id: SequenceID) {
    state.withLock { $0.contents.resumptions.append(id) }
    announce()
  }

  /// Ends the engine's loop after its current step.
  package func stop() {
    state.withLock { $0.contents.isStopping = true }
    announce()
  }

  private func announce() {
    hasNews.store(true, ordering: .sequentiallyConsistent)
    alarm.broadcast()
  }

  /// Called by the engine: sleeps until there is news.
  func wait() {
    alarm.wait { hasNews.load(ordering: .sequentiallyConsistent) }
  }

  /// Called by the engine: everything since the last call; nil when that is nothing.
  func take() -> Contents? {
    guard hasNews.exchange(false, ordering: .sequentiallyConsistent) else { return nil }
    return state.withLock { state in
      let contents = state.contents
      state.contents.submissions.removeAll()
      state.contents.cancellations.removeAll()
      state.contents.resumptions.removeAll()
      return contents
    }
  }

  /// Called by the engine: a sequence of the client no longer waits.
  package func leaveQueue(_ client: Int) {
    let now = clock()
    state.withLock { state in
      state.waiting -= 1
      state.pace.leave(at: now, remaining: state.waiting)
      let own = (state.waitingByClient[client] ?? 0) - 1
      state.waitingByClient[client] = own > 0 ? own : nil
    }
  }
}
