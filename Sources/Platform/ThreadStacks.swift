// Stacks of running threads, for a log that has to say where a thread is stuck.

import Glibc
import Synchronization

/// Where a thread is.
public struct ThreadStack: Sendable {
  /// The name that the thread was started with.
  public let name: String
  /// From the innermost call outwards; empty for a thread that did not answer.
  public let frames: [String]
}

/// The threads that this module started and that have not ended.
public enum ThreadStacks {
  /// The most threads and calls of one report.
  private static let threadLimit = 32
  private static let depth = 64
  /// Milliseconds that a thread gets to answer.
  private static let patience = 200

  private struct Entry {
    let name: String
    let handle: pthread_t
  }

  private static let threads = Mutex<[Entry]>([])
  /// One report at a time.
  private static let reporting = Mutex(())

  /// Called by a thread on itself.
  static func enter(name: String) {
    // Whoever started the thread may have kept signals away from itself, and so from its threads.
    var signals = unsafe sigset_t()
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, SIGURG)
    _ = unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    let entry = Entry(name: name, handle: pthread_self())
    threads.withLock { $0.append(entry) }
  }

  /// Called by a thread on itself, before it ends.
  static func leave() {
    let handle = pthread_self()
    threads.withLock { $0.removeAll { pthread_equal($0.handle, handle) != 0 } }
  }

  /// Interrupts each thread for the time that it takes to note its return addresses. What the
  /// threads do goes on undisturbed: nothing is allocated or locked in between, and interrupted
  /// system calls are resumed.
  public static func capture() -> [ThreadStack] {
    reporting.withLock { _ in
      guard let capture = StackCapture.shared else { return [] }
      // Under the lock nobody ends, and the thread's number stays its own.
      let found = threads.withLock { threads in
        threads.prefix(threadLimit).map { ($0.name, capture.run(on: $0.handle, Self.patience)) }
      }
      let symbols = ProgramSymbols(for: found.flatMap(\.1))
      return found.map { name, addresses in
        ThreadStack(name: name, frames: withoutHandler(addresses.map(symbols.describe)))
      }
    }
  }

  /// The thread's own calls: the signal's handler and the kernel's return from it say nothing.
  private static func withoutHandler(_ frames: [String]) -> [String] {
    let own = frames.prefix { $0.contains("StackCapture") }.count
    return Array(frames.dropFirst(own > 0 ? own + 1 : 0))
  }

  /// The signal's handler and where it writes.
  ///
  /// Unchecked because one report runs at a time (`reporting`), and in it only the target thread
  /// writes frames, before it sets the count.
  @safe
  private final class StackCapture: @unchecked Sendable {
    typealias Backtrace =
      @convention(c) (UnsafeMutablePointer<UnsafeMutableRawPointer?>?, Int32) -> Int32

    /// Nil where the C library cannot walk stacks.
    static let shared = StackCapture()

    private let frames: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    private let backtrace: Backtrace
    private let target = Atomic<UInt>(0)
    private let count = Atomic<Int>(-1)

    private init?() {
      // Not in Swift's view of the C library.
      guard let symbol = unsafe dlsym(nil, "backtrace") else { return nil }
      unsafe backtrace = unsafeBitCast(symbol, to: Backtrace.self)
      unsafe frames = .allocate(capacity: depth)
      unsafe frames.initialize(repeating: nil, count: depth)
      // The first call loads the unwinder, which a handler must not do.
      _ = unsafe backtrace(frames, Int32(depth))
      var action = unsafe sigaction()
      unsafe action.__sigaction_handler.sa_handler = { _ in StackCapture.shared?.note() }
      unsafe action.sa_flags = SA_RESTART
      // Ignored unless somebody wants it, so that a late or stray one does no harm.
      guard unsafe sigaction(SIGURG, &action, nil) == 0 else { return nil }
    }

    /// In the handler, on the interrupted thread.
    private func note() {
      guard target.load(ordering: .acquiring) == UInt(pthread_self()) else { return }
      let found = unsafe backtrace(frames, Int32(depth))
      count.store(Int(found), ordering: .releasing)
    }

    /// Return addresses of a thread, from the innermost call outwards.
    func run(on thread: pthread_t, _ patience: Int) -> [UInt] {
      count.store(-1, ordering: .relaxed)
      target.store(UInt(thread), ordering: .releasing)
      defer { target.store(0, ordering: .releasing) }
      guard pthread_kill(thread, SIGURG) == 0 else { return [] }
      for _ in 0..<patience where count.load(ordering: .acquiring) < 0 { usleep(1000) }
      let count = count.load(ordering: .acquiring)
      return (0..<max(count, 0)).map { unsafe UInt(bitPattern: frames[$0]) }
    }
  }
}
