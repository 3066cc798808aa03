// Every limit and time-out of this target, in one place. Cross-checked when a server is made.

/// Sizes beyond which a request or a client is refused.
public struct HTTPLimits: Sendable {
  /// Bytes of a request target (414 beyond).
  public var targetBytes = 8 << 10
  /// Bytes of all header lines of a request, trailers included (431 beyond).
  public var headerBytes = 32 << 10
  /// Header lines of a request, trailers included (431 beyond).
  public var headerCount = 100
  /// Bytes of a request body (413 beyond).
  public var bodyBytes = 32 << 20
  /// Bytes of all unfinished requests together; beyond, those with large bodies get 503.
  public var heldBytes = 256 << 20
  /// Bytes that an unfinished request may have whatever the others have.
  static let smallRequestBytes = 128 << 10
  /// Clients served at once; one more gets 503.
  public var connections = 1024
  /// Clients served at once from one IPv4 address or one /64 network of IPv6; one more gets 429.
  public var connectionsPerAddress = 256
  /// Requests of one connection; the answer to the last one closes it.
  public var requestsPerConnection = 1000
  /// Bytes read ahead of a running request; beyond, the socket is left alone until it is answered,
  /// but not for long (`HTTPTimeouts.ahead`).
  public var pipelinedBytes = 64 << 10
  /// Unsent bytes at which a connection has no more room, until half of them have left.
  public var highWaterBytes = 256 << 10
  /// Unsent bytes at which a client is given up when a handler writes in spite of no room.
  public var writeBufferBytes = 4 << 20
  /// Unsent bytes that a client must take within the time-out for sending, or all if they are
  /// fewer: a reader of single bytes would hold its answer for ever.
  public var sendProgressBytes = 4 << 10

  /// Clients over the limit that are told so at one time; more are closed without a word.
  static let refusedConnections = 64
  /// Descriptors for everything else in the process. Running out of descriptors must not happen:
  /// Dispatch opens files of /proc to watch its threads, and traps when it cannot.
  static let otherDescriptors = 256
  /// Descriptors below which clients are refused, for the same reason, should the process's limit
  /// turn out to be lower or other parts of it to need more than was thought.
  static let reservedDescriptors = 32

  /// Bytes of an answer below which compressing it is not worth the while.
  static let compressedBytes = 1 << 10
  /// Members of a compressed request body (400 beyond): each costs time even when it is empty.
  static let gzipMembers = 1024
  /// Bytes read at once from a client that speaks TLS: one full record (RFC 8446, section 5.2).
  static let tlsReadBytes = 5 + (16 << 10) + 256
  /// Bytes that TLS itself has for a client, such as answers to key updates, at which no more is
  /// read from it.
  static let tlsBacklogBytes = 64 << 10

  /// The defaults.
  public init() {}

  /// Descriptors that a process with one such server can need.
  var descriptors: Int { connections + Self.refusedConnections + Self.otherDescriptors }

  func check() {
    precondition(connections <= 1 << 40)
    precondition(min(targetBytes, headerBytes, headerCount, connections, pipelinedBytes) > 0)
    precondition(min(connectionsPerAddress, requestsPerConnection, sendProgressBytes) > 0)
    precondition((0...1 << 40).contains(bodyBytes) && heldBytes > 0)
    precondition(highWaterBytes > 0 && writeBufferBytes >= highWaterBytes)
  }
}

/// Seconds after which a connection that waits for its client is closed.
public struct HTTPTimeouts: Sendable {
  /// Between requests of a kept connection.
  public var idle = 75.0
  /// From the first byte of a request to the end of its header.
  public var head = 20.0
  /// From the end of a header to the end of the body.
  public var body = 120.0
  /// While unsent bytes wait, for the client to take some.
  public var send = 30.0
  /// After the last answer, for the client to close its side; and when the server stops, for the
  /// first request of a new connection.
  public var linger = 2.0
  /// While a client has sent its bound ahead of a running request, for that to be answered.
  public var ahead = 0.75
  /// Not a time-out of the client's: after so long without a byte, a stream that has a filler is
  /// kept alive with it.
  public var silence = 15.0

  public init() {}
}

/// Sizes beyond which a client gives an answer up.
public struct HTTPClientLimits: Sendable {
  /// Bytes of all header lines of an answer, interim answers and trailers included.
  public var headerBytes = 64 << 10
  /// Lines of them.
  public var headerCount = 256
  /// Interim answers (1xx) before the final one.
  public var interimAnswers = 8
  /// Bytes of the line before a chunk.
  public var chunkLineBytes = 256
  /// Bytes of a body.
  public var bodyBytes = 64 << 20
  /// Bytes of one server-sent event.
  public var eventBytes = 1 << 20

  /// The defaults.
  public init() {}
}

/// Seconds that a client waits.
public struct HTTPClientTimeouts: Sendable {
  /// For a connection.
  public var connect = 10.0
  /// For the whole of an answer, from the moment its request is given.
  public var answer = 600.0
  /// That a kept connection is used again after. Servers close idle ones, some after five seconds,
  /// and a request on its way at that moment would be lost.
  public var idle = 4.0

  public init() {}
}
