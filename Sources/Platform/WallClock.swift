// The time of day, for people: it may jump.

import Glibc

/// The system's idea of the present date and time.
public enum WallClock {
  /// Now, as RFC 3339 writes it: UTC with milliseconds, such as `2026-01-31T23:59:59.250Z`.
  public static var text: String {
    var time = timespec()
    let result = unsafe clock_gettime(CLOCK_REALTIME, &time)
    precondition(result == 0, "CLOCK_REALTIME exists on every Linux")
    return text(seconds: time.tv_sec, milliseconds: time.tv_nsec / 1_000_000)
  }

  /// - Parameters:
  ///   - seconds: since 1970, within the years 0 to 9999.
  ///   - milliseconds: below 1000.
  package static func text(seconds: Int, milliseconds: Int) -> String {
    var seconds = time_t(seconds)
    var date = unsafe tm()
    unsafe gmtime_r(&seconds, &date)
    func padded(_ number: Int, _ width: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(width - digits.count, 0)) + digits
    }
    func pair(_ number: Int32) -> String { padded(Int(number), 2) }
    let day = unsafe [
      padded(Int(date.tm_year) + 1900, 4), pair(date.tm_mon + 1), pair(date.tm_mday),
    ]
    let clock = unsafe [pair(date.tm_hour), pair(date.tm_min), pair(date.tm_sec)]
    return day.joined(separator: "-") + "T" + clock.joined(separator: ":") + "."
      + padded(milliseconds, 3) + "Z"
  }
}
