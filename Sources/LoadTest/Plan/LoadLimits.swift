// Every limit of this target, in one place.

/// Bounds of what a load test may ask for and keeps.
public enum LoadLimits {
  /// Tokens of one prompt or answer.
  public static let tokens = 1 << 20
  /// Clients of a closed loop, and requests in work of an open one.
  public static let outstanding = 50_000
  /// Requests per second.
  public static let rate = 1_000_000.0
  /// Requests of a run.
  public static let requests = 1 << 40
  /// Seconds of a run, a warm-up or a time-out.
  public static let seconds = 7 * 86_400.0
  /// Turns of a conversation.
  public static let turns = 1_000
  /// Bytes that are kept of an answer that reports an error.
  static let errorBytes = 4 << 10
  /// Characters that are shown of its message.
  static let messageLength = 300
  /// Kinds of error that are told apart; a server can send 900 status codes.
  static let failureKinds = 64
  /// Bytes of JSON of one event or answer, and how deep they may be nested.
  static let answerBytes = 16 << 20
  static let jsonDepth = 32
  /// The most tokens that a server is believed to have counted for one request: sums stay exact.
  static let usage = 1 << 32
  /// Points of the timeline, of which two become one when they are used up.
  static let timelinePoints = 120
  /// Seconds that a client of a closed loop waits after an answer that it did not get, so that a
  /// server that refuses at once is not asked in an endless hurry.
  static let pause = 0.1
  /// Descriptors beside those of connections.
  static let otherDescriptors = 256
}
