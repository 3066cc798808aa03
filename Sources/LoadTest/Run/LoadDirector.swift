// Decides when which request starts: the whole of the pacing as a struct without clock and IO.
// Times are nanoseconds since the run began.

package struct LoadDirector {
  /// A request to be sent.
  package struct Start: Equatable {
    /// In order of starts, from 0.
    package let number: Int
    /// Which client of a closed loop sends it; nil in an open loop.
    package let client: Int?
    /// When it was due. Latencies count from here, so that a server that is slow to take requests
    /// does not look the better for it.
    package let intended: UInt64
    /// False during warm-up.
    package let isCounted: Bool
  }

  package enum Step: Equatable {
    case start(Start)
    /// Nothing before this time, unless an answer comes.
    case wait(until: UInt64)
    case waitForAnswers
    case finished
  }

  private let pace: LoadPace
  private var schedule: ArrivalSchedule?
  /// When the next request of an open loop is due.
  private var due: UInt64 = 0
  /// Clients of a closed loop that may send, the first to become ready first.
  private var ready: [Int] = []
  private var nextReady = 0
  /// Clients that pause, and until when; the pause is the same for all, so these are in order.
  private var paused: [(client: Int, until: UInt64)] = []
  private var nextPaused = 0
  private var hasStopped = false
  private var countedStarts = 0

  package private(set) var starts = 0
  package private(set) var outstanding = 0
  /// When the first counted request was due.
  package private(set) var firstCounted: UInt64?
  /// Starts of an open loop that the bound on requests in work put off.
  package private(set) var delayedStarts = 0
  /// Nanoseconds that the longest of them waited.
  package private(set) var longestDelay: UInt64 = 0
  /// Requests that were due before the end and never sent.
  package private(set) var unsent = 0
  private var isAtBound = false

  package init(_ pace: LoadPace) {
    self.pace = pace
    switch pace.mode {
    case .closed(let concurrency): ready = Array(0..<concurrency)
    case .open(let rate, let arrivals):
      var schedule = ArrivalSchedule(kind: arrivals, rate: rate, seed: pace.seed)
      due = schedule.next()
      self.schedule = schedule
    }
  }

  /// What to do now; to be asked again after a start, at the time of a wait, and after an answer.
  package mutating func next(now: UInt64) -> Step {
    if hasStopped || hasEnoughStarts { return rest }
    if schedule != nil { return nextArrival(now) }
    if let end, now >= end { return rest }
    while nextPaused < paused.count, paused[nextPaused].until <= now {
      ready.append(paused[nextPaused].client)
      nextPaused += 1
    }
    if nextReady < ready.count {
      defer { nextReady += 1 }
      return start(client: ready[nextReady], intended: now)
    }
    compact()
    return nextPaused < paused.count ? .wait(until: paused[nextPaused].until) : .waitForAnswers
  }

  /// A request is over. A client whose answer failed pauses.
  package mutating func finish(_ start: Start, now: UInt64, failed: Bool) {
    outstanding -= 1
    guard let client = start.client else { return }
    if failed {
      paused.append((client, now + UInt64(LoadLimits.pause * 1e9)))
    } else {
      ready.append(client)
    }
  }

  /// No more starts.
  package mutating func stop() { hasStopped = true }

  // MARK: - Ends

  private var rest: Step { outstanding == 0 ? .finished : .waitForAnswers }

  private var hasEnoughStarts: Bool {
    pace.requests.map { countedStarts >= $0 } ?? false
  }

  /// From when on nothing starts.
  private var end: UInt64? {
    guard let duration = pace.duration, let firstCounted else { return nil }
    return firstCounted + UInt64(duration * 1e9)
  }

  // MARK: - Starts

  private mutating func nextArrival(_ now: UInt64) -> Step {
    if let end, due >= end { return rest }
    if let end, now >= end {
      // What the bound held back until now is no load of this run any more.
      repeat {
        unsent += 1
        due = schedule?.next() ?? .max
      } while due < end
      return rest
    }
    if due > now { return .wait(until: due) }
    guard outstanding < pace.maxOutstanding else {
      isAtBound = true
      return .waitForAnswers
    }
    if isAtBound {
      delayedStarts += 1
      longestDelay = max(longestDelay, now - due)
    }
    let step = start(client: nil, intended: due)
    due = schedule?.next() ?? .max
    // Those that were due meanwhile were put off by the bound too.
    if due > now { isAtBound = false }
    return step
  }

  private mutating func start(client: Int?, intended: UInt64) -> Step {
    let isCounted =
      starts >= pace.warmupRequests && intended >= UInt64(pace.warmupSeconds * 1e9)
    if isCounted {
      firstCounted = firstCounted ?? intended
      countedStarts += 1
    }
    defer { starts += 1 }
    outstanding += 1
    return .start(
      Start(number: starts, client: client, intended: intended, isCounted: isCounted))
  }

  /// Drops what the two queues have used up.
  private mutating func compact() {
    ready.removeAll(keepingCapacity: true)
    nextReady = 0
    if nextPaused > 0 {
      paused.removeFirst(nextPaused)
      nextPaused = 0
    }
  }
}
