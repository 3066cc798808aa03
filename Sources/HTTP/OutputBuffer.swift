// Bytes on their way to the socket. Owned by a connection's shell; bounded by the connection's
// limits.

struct OutputBuffer {
  private var bytes: [UInt8] = []
  private var start = 0

  var isEmpty: Bool { start == bytes.count }

  /// What to send next.
  var unsent: ArraySlice<UInt8> { bytes[start...] }

  mutating func append(_ new: [UInt8]) {
    if isEmpty {
      bytes = new
      start = 0
    } else {
      // Sent bytes go when they are the larger part, so each byte is moved at most once.
      if start > bytes.count / 2 {
        bytes.removeSubrange(..<start)
        start = 0
      }
      bytes.append(contentsOf: new)
    }
  }

  mutating func dropFirst(_ count: Int) {
    precondition(count <= bytes.count - start)
    start += count
    if isEmpty { removeAll() }
  }

  mutating func removeAll() {
    bytes = []
    start = 0
  }
}
