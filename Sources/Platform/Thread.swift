// POSIX threads and the condition they sleep on.

import Glibc

/// A thread that runs `body` once.
public final class Thread: Sendable {
  private let handle: pthread_t

  /// Starts the thread; throws when the system has no more.
  /// - Parameter name: for reports about threads.
  public init(
    name: String = "worker", _ body: @escaping @Sendable () -> Void
  ) throws(PlatformError) {
    var handle = pthread_t()
    let start = unsafe Unmanaged.passRetained(
      ThreadStart {
        ThreadStacks.enter(name: name)
        body()
        ThreadStacks.leave()
      })
    let status = unsafe pthread_create(
      &handle, nil,
      { argument in
        let start = unsafe Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue()
        start.body()
        return nil
      }, start.toOpaque())
    guard status == 0 else {
      unsafe start.release()
      throw PlatformError.systemCall(name: "pthread_create", errno: status, subject: nil)
    }
    self.handle = handle
  }

  /// Lets another thread run on this one's processor.
  public static func yield() { sched_yield() }

  /// Keeps the calling thread on some processors (man 2 sched_setaffinity). Without effect where
  /// the system refuses, as for processors that were taken away meanwhile.
  public static func stay(on processors: [Int]) {
    guard let setAffinity = unsafe setAffinity else { return }
    let bits = UInt.bitWidth
    var mask = [UInt](repeating: 0, count: (processors.max() ?? 0) / bits + 1)
    for processor in processors { mask[processor / bits] |= 1 << UInt(processor % bits) }
    _ = unsafe mask.withUnsafeBufferPointer { words in
      unsafe setAffinity(0, words.count * bits / 8, words.baseAddress!)
    }
  }

  private typealias SetAffinity =
    @convention(c) (_ thread: pid_t, _ size: Int, _ mask: UnsafePointer<UInt>) -> Int32

  /// An extension of the C library that its Swift module leaves out.
  private static let setAffinity: SetAffinity? = {
    let symbol = unsafe dlsym(nil, "sched_setaffinity")
    return unsafe symbol.map { unsafe unsafeBitCast($0, to: SetAffinity.self) }
  }()

  /// Leaves the thread alone: at its end the system takes its stack back. In place of `join`.
  public func detach() { pthread_detach(handle) }

  /// Waits for the end of the thread; call it once. Called by the thread itself, it only gives up
  /// waiting.
  public func join() {
    if pthread_equal(handle, pthread_self()) != 0 {
      pthread_detach(handle)
      return
    }
    let status = pthread_join(handle, nil)
    precondition(status == 0, "pthread_join: \(status)")
  }
}

private final class ThreadStart: Sendable {
  let body: @Sendable () -> Void

  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// A place to sleep until a predicate over atomics holds.
@safe
public final class Condition: @unchecked Sendable {
  // Unchecked: POSIX mutexes and conditions are made to be shared; their addresses never change.
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  public init() {
    unsafe mutex = .allocate(capacity: 1)
    unsafe condition = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(condition, nil)
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
  }

  /// Sleeps until `predicate` holds. It is evaluated under the lock that `broadcast` takes, so a
  /// change made before a broadcast is never missed.
  public func wait(until predicate: () -> Bool) {
    unsafe pthread_mutex_lock(mutex)
    while !predicate() { unsafe pthread_cond_wait(condition, mutex) }
    unsafe pthread_mutex_unlock(mutex)
  }

  /// Wakes everyone who waits.
  public func broadcast() {
    unsafe pthread_mutex_lock(mutex)
    unsafe pthread_cond_broadcast(condition)
    unsafe pthread_mutex_unlock(mutex)
  }
}
