// Time that only moves forward: for durations and deadlines, never for dates.

import Glibc

/// The system's monotonic clock.
public enum MonotonicClock {
  /// Nanoseconds since an arbitrary fixed moment.
  public static var nanoseconds: UInt64 {
    var time = timespec()
    let result = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    precondition(result == 0, "CLOCK_MONOTONIC exists on every Linux")
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
