// Dates for people, in the form of the protocol.

/// Dates of RFC 9110, section 5.6.7.
public enum HTTPDate {
  /// Such as `Sun, 06 Nov 1994 08:49:37 GMT`.
  /// - Parameter time: seconds since 1970, not before.
  public static func text(_ time: Int) -> String { ResponseEncoder.date(max(time, 0)) }
}
