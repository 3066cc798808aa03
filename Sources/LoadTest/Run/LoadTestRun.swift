// Runs a plan: asks the director what to send, sends it, reads the answers and records them.

import Dispatch
import Glibc
import HTTP
import Platform

/// A load test of one server.
///
/// Unchecked because all mutable state is touched on `queue` alone.
public final class LoadTestRun: @unchecked Sendable {
  /// A request in work.
  private final class Work {
    let start: LoadDirector.Start
    var conversation: Conversation
    var reader: AnswerReader
    var exchange: HTTPExchange?

    init(_ start: LoadDirector.Start, _ conversation: Conversation, _ reader: AnswerReader) {
      self.start = start
      self.conversation = conversation
      self.reader = reader
    }
  }

  private let plan: LoadPlan
  private let queue = DispatchQueue(label: "loadtest")
  private let client: HTTPClient
  private let onProgress: @Sendable (LoadProgress) -> Void
  private let end = DispatchSemaphore(value: 0)

  private var director: LoadDirector
  private var recorder: Recorder
  private var writer: RequestWriter
  private var prompts: PromptSource
  private var lengths: SplitMix
  /// Of a closed loop, by client; of an open one, those whose next turn may be sent.
  private var conversations: [Int: Conversation] = [:]
  private var waiting: [Conversation] = []
  private var nextWaiting = 0
  private var work: [Int: Work] = [:]
  private var timer: (any DispatchSourceTimer)?
  private var progressTimer: (any DispatchSourceTimer)?
  private var begin: UInt64 = 0
  private var startTime = 0
  private var startProcessorTime = 0
  private var hasEnded = false
  private var isInterrupted = false
  private let model: String

  /// A run that has not begun. Asks the server for its model where the plan names none.
  /// - Parameter onProgress: called twice a second while the run goes on, on a thread of its own.
  public init(
    _ plan: LoadPlan, onProgress: @escaping @Sendable (LoadProgress) -> Void
  ) throws(LoadTestError) {
    self.plan = plan
    self.onProgress = onProgress
    var authorities: TLSAuthorities?
    do throws(TLSError) {
      authorities = plan.url.isSecure ? try TLSAuthorities(plan.trust) : nil
    } catch {
      throw .tls(error)
    }
    do throws(PlatformError) {
      // Dispatch traps when it cannot open the files it needs.
      try FileDescriptor.allow(plan.pace.connections + LoadLimits.otherDescriptors)
      client = try HTTPClient(
        url: plan.url, authorities: authorities, queue: queue, timeouts: plan.timeouts)
    } catch {
      throw .platform(error)
    }
    if let model = plan.traffic.model {
      self.model = model
    } else {
      self.model = try ModelQuery(plan, client: client, queue: queue).answer()
    }
    director = LoadDirector(plan.pace)
    recorder = Recorder(goals: plan.goals)
    writer = RequestWriter(plan, model: model)
    prompts = PromptSource(plan.traffic)
    lengths = SplitMix(seed: plan.traffic.seed, stream: 4)
  }

  /// Runs to the end, on the calling thread's time. To be called once.
  public func run() -> LoadReport {
    queue.async { self.start() }
    end.wait()
    return queue.sync { report }
  }

  /// Ends the run early: requests in work are given up.
  public func stop() {
    queue.async {
      if self.hasEnded { return }
      self.isInterrupted = true
      self.director.stop()
      let time = self.now
      for (_, work) in self.work.sorted(by: { $0.key < $1.key }) {
        if let exchange = work.exchange { self.client.cancel(exchange) }
        self.finish(work, .cancelled, at: time)
      }
      self.advance()
    }
  }

  private func start() {
    begin = MonotonicClock.nanoseconds
    startTime = time(nil)
    startProcessorTime = clock()
    progressTimer = repeating(Self.progressInterval) { $0.onProgress($0.progress) }
    advance()
  }

  /// Nanoseconds since the run began.
  private var now: UInt64 { MonotonicClock.nanoseconds - begin }

  // MARK: - Sending

  /// Does what is due, and sleeps until more is.
  private func advance() {
    while true {
      switch director.next(now: now) {
      case .start(let start): send(start)
      case .wait(let time): return wake(at: time)
      case .waitForAnswers: return
      case .finished: return finishRun()
      }
    }
  }

  private func wake(at time: UInt64) {
    if timer == nil {
      // Strict, since a late request is a late measurement.
      let timer = DispatchSource.makeTimerSource(flags: .strict, queue: queue)
      timer.setEventHandler { [weak self] in self?.advance() }
      timer.activate()
      self.timer = timer
    }
    timer?.schedule(
      deadline: DispatchTime(uptimeNanoseconds: begin + time), leeway: .nanoseconds(0))
  }

  private func send(_ start: LoadDirector.Start) {
    var conversation = takeConversation(start.client)
    let length = plan.traffic.promptTokens.draw(&lengths)
    conversation.ask(prompts.next(length: length, isFirst: conversation.isNew))
    let request = writer.request(
      conversation, maxTokens: plan.traffic.maxTokens.draw(&lengths))
    let work = Work(
      start, conversation,
      AnswerReader(isStreamed: plan.traffic.isStreamed, keepsAnswer: !conversation.isOver))
    self.work[start.number] = work
    recorder.start(start)
    work.exchange = client.send(request) { [weak self, unowned work] in
      self?.receive($0, of: work)
    }
  }

  private func takeConversation(_ client: Int?) -> Conversation {
    if let client {
      return conversations.removeValue(forKey: client) ?? Conversation(turns: plan.traffic.turns)
    }
    guard nextWaiting < waiting.count else {
      waiting.removeAll(keepingCapacity: true)
      nextWaiting = 0
      return Conversation(turns: plan.traffic.turns)
    }
    defer { nextWaiting += 1 }
    return waiting[nextWaiting]
  }

  // MARK: - Receiving

  private func receive(_ event: ResponseEvent, of work: Work) {
    let time = now
    switch event {
    case .head(let head): giveUp(work, work.reader.receive(head), at: time)
    case .body(let bytes): giveUp(work, work.reader.receive(bytes, at: time), at: time)
    case .end: finish(work, work.reader.finish(at: time), at: time)
    case .failed(let error):
      finish(work, Failure(error), at: time, message: error.description)
    }
    if case .end = event { return advance() }
    if case .failed = event { advance() }
  }

  /// Ends a request whose answer is of no use before it is over.
  private func giveUp(_ work: Work, _ failure: Failure?, at time: UInt64) {
    guard let failure else { return }
    if let exchange = work.exchange { client.cancel(exchange) }
    finish(work, failure, at: time)
    queue.async { self.advance() }
  }

  private func finish(
    _ work: Work, _ failure: Failure?, at time: UInt64, message: String? = nil
  ) {
    self.work[work.start.number] = nil
    director.finish(work.start, now: time, failed: failure != nil)
    if failure == nil { keep(work) }
    guard work.start.isCounted else { return }
    let reader = work.reader
    var record = RequestRecord(intended: work.start.intended, ended: time, failure: failure)
    record.firstToken = reader.firstToken
    record.lastToken = reader.lastToken
    record.tokenEvents = reader.tokenEvents
    record.gaps = reader.gaps
    record.usage = reader.usage
    record.retryAfter = reader.retryAfter
    record.message = reader.message ?? message
    recorder.record(record)
  }

  /// Keeps a conversation for its next turn.
  private func keep(_ work: Work) {
    guard !work.conversation.isOver else { return }
    let reader = work.reader
    work.conversation.answer(
      plan.traffic.tokenIDs == nil ? .text(reader.text) : .tokens(reader.tokens))
    if let client = work.start.client {
      conversations[client] = work.conversation
    } else {
      waiting.append(work.conversation)
    }
  }

  // MARK: - The end

  private func finishRun() {
    if hasEnded { return }
    hasEnded = true
    timer?.cancel()
    progressTimer?.cancel()
    client.close()
    end.signal()
  }

  private var report: LoadReport {
    LoadReport(
      plan, recorder, director,
      LoadReport.Circumstances(
        model: model, startTime: startTime, isInterrupted: isInterrupted,
        connections: client.connectionCount,
        processorSeconds: Double(clock() - startProcessorTime) / Double(CLOCKS_PER_SEC)))
  }

  // MARK: - Progress

  /// Seconds.
  private static let progressInterval = 0.5

  private func repeating(
    _ seconds: Double, _ body: @escaping (LoadTestRun) -> Void
  ) -> any DispatchSourceTimer {
    let timer = DispatchSource.makeTimerSource(queue: queue)
    timer.schedule(deadline: .now() + seconds, repeating: seconds)
    timer.setEventHandler { [weak self] in
      if let self { body(self) }
    }
    timer.activate()
    return timer
  }

  private var progress: LoadProgress {
    let time = now
    let counted = recorder.firstStart.map { Double(time - $0) / 1e9 } ?? 0
    return LoadProgress(
      seconds: Double(time) / 1e9, outstanding: director.outstanding,
      isWarmingUp: recorder.firstStart == nil, started: recorder.started,
      succeeded: recorder.succeeded, refused: recorder.refused, failed: recorder.failed,
      timeToFirstTokenP50: recorder.timeToFirstToken.percentile(50),
      timeToFirstTokenP99: recorder.timeToFirstToken.percentile(99),
      outputTokensPerSecond: counted > 0 ? Double(recorder.outputTokens) / counted : 0)
  }
}
