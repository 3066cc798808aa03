// Finds stop strings in streamed text. Nothing that may yet turn out to be the beginning of a stop
// string is let out, so how the text is cut into pieces never changes the result.

/// Watches a text for the first stop string that is complete.
public struct StopMatcher: Sendable {
  /// One stop string and how much of it the text so far ends with (Knuth, Morris, Pratt 1977).
  private struct Pattern: Sendable {
    let bytes: [UInt8]
    /// For each length of a matched prefix, the longest shorter prefix that also ends there.
    let fallback: [Int]
    var matched = 0

    init(_ bytes: [UInt8]) {
      self.bytes = bytes
      var fallback = [0]
      var length = 0
      for byte in bytes.dropFirst() {
        while length > 0, bytes[length] != byte { length = fallback[length - 1] }
        if bytes[length] == byte { length += 1 }
        fallback.append(length)
      }
      self.fallback = fallback
    }

    mutating func advance(_ byte: UInt8) {
      while matched > 0, bytes[matched] != byte { matched = fallback[matched - 1] }
      if bytes[matched] == byte { matched += 1 }
    }
  }

  private var patterns: [Pattern]
  private let includesStop: Bool
  /// The end of the text that is held back.
  private var held: [UInt8] = []
  /// The stop string that ended the text.
  public private(set) var match: String?

  /// `stops`: the strings to look for; an empty one never matches. `includeStop`: the stop string
  /// stays in the text.
  public init(stops: [String], includeStop: Bool) {
    patterns = stops.filter { !$0.isEmpty }.map { Pattern(Array($0.utf8)) }
    includesStop = includeStop
  }

  /// Adds text. Returns what can be let out, and whether a stop string is now complete; of several
  /// that end at the same place the longest counts. After a stop nothing more comes out.
  public mutating func append(_ text: String) -> (text: String, stopped: Bool) {
    guard match == nil else { return ("", true) }
    guard !patterns.isEmpty else { return (text, false) }
    for byte in text.utf8 {
      held.append(byte)
      var longest = 0
      for index in patterns.indices {
        patterns[index].advance(byte)
        if patterns[index].matched == patterns[index].bytes.count {
          longest = max(longest, patterns[index].matched)
        }
      }
      if longest > 0 {
        match = String(decoding: held.suffix(longest), as: UTF8.self)
        return (release(held.count - (includesStop ? 0 : longest)), true)
      }
    }
    return (release(held.count - (patterns.map(\.matched).max() ?? 0)), false)
  }

  /// The text held back when no more comes.
  public mutating func finish() -> String { match == nil ? release(held.count) : "" }

  private mutating func release(_ count: Int) -> String {
    defer { held.removeFirst(count) }
    return String(decoding: held[..<count], as: UTF8.self)
  }
}
