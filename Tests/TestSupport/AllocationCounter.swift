// The counter of allocations as tests use it.

import AllocationCounter

/// Counts the heap allocations of the threads that called `start`, and of no others: tests run side
/// by side in one process.
@safe
public final class AllocationCounter: @unchecked Sendable {
  // Unchecked: the count is atomic.
  private let count: OpaquePointer

  /// Whether an allocation is one of the code as it is written. Without the optimiser closures and
  /// generic calls allocate too, some 10,000 times in a step of the engine.
  public static var countsTheCode: Bool {
    #if DEBUG
      false
    #else
      true
    #endif
  }

  public init() { unsafe count = allocation_count_new() }

  deinit { unsafe allocation_count_free(count) }

  /// The calling thread counts from now on.
  public func start() { unsafe allocation_count_join(count) }

  /// The calling thread no longer counts; each thread that started must stop.
  /// - Returns: the allocations of all threads so far.
  @discardableResult
  public func stop() -> Int {
    allocation_count_join(nil)
    return Int(unsafe allocation_count_value(count))
  }
}
