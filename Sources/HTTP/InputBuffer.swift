// Bytes received and not yet consumed, cut into lines or taken by count. Owned by the parser.

struct InputBuffer {
  enum Line {
    /// A line without its line end.
    case complete(ArraySlice<UInt8>)
    case incomplete
    /// Longer than the limit, whether its end has come or not.
    case tooLong
    /// Ended by a line feed alone, which RFC 9112, section 2.2 lets a recipient accept and
    /// request smugglers like: refused.
    case bareLineFeed
  }

  private var bytes: [UInt8] = []
  private var start = 0
  /// Bytes from `start` that are known to hold no line feed, so that a line that comes byte by
  /// byte is searched once.
  private var scanned = 0

  var count: Int { bytes.count - start }

  mutating func append(_ new: [UInt8]) {
    if bytes.isEmpty {
      bytes = new
    } else {
      bytes.removeSubrange(..<start)
      start = 0
      bytes.append(contentsOf: new)
    }
  }

  /// The next line, of at most `limit` bytes. The outcome depends on the bytes alone, not on how
  /// they were split.
  mutating func takeLine(limit: Int) -> Line {
    guard let end = bytes[(start + scanned)...].firstIndex(of: .lineFeed) else {
      scanned = count
      return count > limit + 1 ? .tooLong : .incomplete
    }
    guard end - start <= limit + 1 else { return .tooLong }
    guard end > start, bytes[end - 1] == .carriageReturn else { return .bareLineFeed }
    let line = bytes[start..<(end - 1)]
    drop(end + 1 - start)
    return .complete(line)
  }

  /// Moves up to `limit` bytes to the end of `destination` and returns their number.
  mutating func move(upTo limit: Int, to destination: inout [UInt8]) -> Int {
    let amount = min(limit, count)
    destination.append(contentsOf: bytes[start..<(start + amount)])
    drop(amount)
    return amount
  }

  /// An idle connection keeps no memory.
  private mutating func drop(_ amount: Int) {
    start += amount
    scanned = 0
    if start == bytes.count {
      bytes = []
      start = 0
    }
  }
}
