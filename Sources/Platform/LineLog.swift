// A log that never makes its callers wait: lines go into a bounded queue, and a thread of its own
// writes them. When the file, pipe or terminal behind it is stuck, lines are dropped and counted.

import Dispatch
import Glibc
import Synchronization

/// Lines of text on their way to a file or stream. May be used from any thread.
public final class LineLog: Sendable {
  /// Where lines go.
  public enum Target: Sendable, Equatable {
    case standardOutput
    case standardError
    /// Appended to, and made when there is none. `reopen` opens the path anew, for programs that
    /// rename full logs.
    case file(String)
  }

  /// Bytes of lines that wait to be written; more are dropped.
  public static let queueBytes = 1 << 20

  private let writer: LineWriter

  /// Opens the target and starts the thread.
  /// - Parameters:
  ///   - queueBytes: bytes that may wait.
  ///   - onTrouble: told on the log's thread when lines begin to get lost to an error, and when a
  ///     reopening fails, after which the old file is kept.
  public init(
    _ target: Target, queueBytes: Int = LineLog.queueBytes,
    onTrouble: @escaping @Sendable (PlatformError) -> Void = { _ in }
  ) throws(PlatformError) {
    let writer = LineWriter(
      try LineWriter.open(target), target, queueBytes: queueBytes, onTrouble: onTrouble)
    // Not joined: it may hang in a write that never ends.
    try Thread { writer.run() }.detach()
    self.writer = writer
  }

  deinit { writer.stop() }

  /// Queues a line, which ends in a line feed and has no other.
  public func write(_ line: [UInt8]) { writer.append(line) }

  /// Lines that were lost: the queue was full, or writing failed.
  public var droppedLines: Int { writer.droppedLines }

  /// Has the next line written to whatever has the file's name then.
  public func reopen() { writer.wantReopening() }

  /// Waits until all lines are written that were queued before.
  /// - Returns: false when that took longer than `seconds`.
  @discardableResult
  public func flush(seconds: Double) -> Bool {
    let done = DispatchSemaphore(value: 0)
    writer.notifyWhenWritten(done)
    return done.wait(timeout: .now() + seconds) == .success
  }
}

/// The queue and the thread's side of it.
private final class LineWriter: @unchecked Sendable {
  // Unchecked: the descriptor and `isFailing` are touched on the writing thread alone.
  private struct State {
    var lines: [UInt8] = []
    var waiters: [DispatchSemaphore] = []
    var wantsReopening = false
    var isStopping = false

    var hasNews: Bool { !lines.isEmpty || !waiters.isEmpty || wantsReopening || isStopping }
  }

  private let state = Mutex(State())
  private let alarm = Condition()
  private let dropped = Atomic<Int>(0)
  private let target: LineLog.Target
  private let queueBytes: Int
  private let onTrouble: @Sendable (PlatformError) -> Void
  private var descriptor: FileDescriptor
  private var isFailing = false

  /// Bytes up to which a pipe takes several lines whole (PIPE_BUF of pipe(7)), so that those of
  /// other writers do not come between.
  private static let batchBytes = 4096
  private static let lineFeed = UInt8(ascii: "\n")

  init(
    _ descriptor: consuming FileDescriptor, _ target: LineLog.Target, queueBytes: Int,
    onTrouble: @escaping @Sendable (PlatformError) -> Void
  ) {
    self.descriptor = descriptor
    self.target = target
    self.queueBytes = queueBytes
    self.onTrouble = onTrouble
  }

  /// Without waiting for the reader of a named pipe: having none is an error.
  static func open(_ target: LineLog.Target) throws(PlatformError) -> FileDescriptor {
    let raw =
      switch target {
      case .standardOutput:
        try systemCall("dup") { fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3) }
      case .standardError:
        try systemCall("dup") { fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3) }
      case .file(let path):
        try systemCall("open", subject: path) {
          unsafe Glibc.open(
            path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0o640)
        }
      }
    return FileDescriptor(owning: raw)
  }

  // MARK: - From any thread

  var droppedLines: Int { dropped.load(ordering: .relaxed) }

  func append(_ line: [UInt8]) {
    let wasEmpty = state.withLock { state -> Bool? in
      guard state.lines.count + line.count <= queueBytes else { return nil }
      defer { state.lines += line }
      return state.lines.isEmpty
    }
    switch wasEmpty {
    case true?: alarm.broadcast()
    case false?: break
    case nil: dropped.add(1, ordering: .relaxed)
    }
  }

  func wantReopening() { tell { $0.wantsReopening = true } }
  func stop() { tell { $0.isStopping = true } }
  func notifyWhenWritten(_ waiter: DispatchSemaphore) { tell { $0.waiters.append(waiter) } }

  private func tell(_ change: (inout State) -> Void) {
    state.withLock { change(&$0) }
    alarm.broadcast()
  }

  // MARK: - The thread

  func run() {
    Self.blockPipeSignal()
    while true {
      alarm.wait { state.withLock { $0.hasNews } }
      var news = State()
      state.withLock { swap(&news, &$0) }
      if news.wantsReopening { reopen() }
      write(news.lines)
      for waiter in news.waiters { waiter.signal() }
      if news.isStopping { return }
    }
  }

  /// A pipe without a reader is an error for this thread, and no end of the process.
  private static func blockPipeSignal() {
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, SIGPIPE)
    _ = unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
  }

  private func reopen() {
    guard case .file = target else { return }
    do throws(PlatformError) {
      descriptor = try Self.open(target)
    } catch {
      onTrouble(error)
    }
  }

  /// Writes whole lines, as many at a time as a pipe takes in one piece.
  private func write(_ lines: [UInt8]) {
    var rest = lines[...]
    while let first = rest.firstIndex(of: Self.lineFeed) {
      let batch = rest.prefix(Self.batchBytes)
      let end = (batch.lastIndex(of: Self.lineFeed) ?? first) + 1
      do throws(PlatformError) {
        try writeAll(rest[..<end])
        isFailing = false
      } catch {
        dropped.add(rest[..<end].count { $0 == Self.lineFeed }, ordering: .relaxed)
        if !isFailing { onTrouble(error) }
        isFailing = true
      }
      rest = rest[end...]
    }
  }

  private func writeAll(_ bytes: ArraySlice<UInt8>) throws(PlatformError) {
    var rest = bytes
    while !rest.isEmpty {
      let count = try systemCallUnlessBlocked("write") {
        unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor.raw, $0.baseAddress, $0.count) }
      }
      if let count {
        rest = rest.dropFirst(count)
      } else {
        var waiting = pollfd(fd: descriptor.raw, events: Int16(POLLOUT), revents: 0)
        _ = try systemCall("poll") { unsafe poll(&waiting, 1, -1) }
      }
    }
  }
}
