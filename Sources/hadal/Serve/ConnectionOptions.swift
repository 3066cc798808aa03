// Options of the network: how many clients, how long they may take, and how the server listens.

import ArgumentParser
import HTTP
import Platform

struct ConnectionOptions: ParsableArguments {
  @Option(help: "Clients served at once; one more is answered 503.")
  var maxConnections = 1024

  @Option(
    help: """
      Clients served at once from one IPv4 address or one /64 network of IPv6; one more is \
      answered 429. Give as many as --max-connections behind a proxy. Default: a quarter of it.
      """)
  var maxConnectionsPerAddress: Int?

  @Option(help: "Seconds that a client gets from the first byte of a request to its header's end.")
  var headerTimeoutSeconds = 20.0

  @Option(help: "Seconds that a client gets to send the body of a request.")
  var bodyTimeoutSeconds = 120.0

  @Option(help: "Seconds that a connection may wait for its next request.")
  var idleTimeoutSeconds = 75.0

  @Option(
    help: """
      Seconds within which a client must take some of what waits for it. Until then its answer \
      is paused; then the client is given up.
      """)
  var sendTimeoutSeconds = 30.0

  @Option(help: "Seconds without an event after which a comment keeps an event stream alive.")
  var sseKeepAliveSeconds = 15.0

  @Flag(
    help: """
      Let several servers listen at the same port, for a restart without a gap: start the new \
      one, then end the old one with SIGTERM.
      """)
  var reusePort = false

  @Option(help: "Permissions of the file of a Unix socket, in octal.")
  var socketMode = "660"

  func validate() throws {
    try check("--max-connections", maxConnections, 1...1_000_000)
    try check("--max-connections-per-address", maxConnectionsPerAddress ?? 1, 1...1_000_000)
    try check("--header-timeout-seconds", headerTimeoutSeconds)
    try check("--body-timeout-seconds", bodyTimeoutSeconds)
    try check("--idle-timeout-seconds", idleTimeoutSeconds)
    try check("--send-timeout-seconds", sendTimeoutSeconds)
    try check("--sse-keep-alive-seconds", sseKeepAliveSeconds)
    guard mode != nil else {
      throw ValidationError("--socket-mode \(socketMode) is not an octal number up to 777")
    }
  }

  private func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws {
    guard !range.contains(value) else { return }
    throw ValidationError("\(name) \(value) is not from \(range.lowerBound) to \(range.upperBound)")
  }

  private func check(_ name: String, _ seconds: Double) throws {
    guard !(0.1...86_400).contains(seconds) else { return }
    throw ValidationError("\(name) \(seconds) is not from 0.1 to 86400")
  }

  private var mode: UInt32? {
    UInt32(socketMode, radix: 8).flatMap { $0 <= 0o777 ? $0 : nil }
  }

  /// Puts the options into a server's configuration.
  func apply(to configuration: inout ServerConfiguration) {
    configuration.limits.connections = maxConnections
    configuration.limits.connectionsPerAddress =
      maxConnectionsPerAddress ?? max(maxConnections / 4, 1)
    configuration.timeouts.head = headerTimeoutSeconds
    configuration.timeouts.body = bodyTimeoutSeconds
    configuration.timeouts.idle = idleTimeoutSeconds
    configuration.timeouts.send = sendTimeoutSeconds
    configuration.timeouts.silence = sseKeepAliveSeconds
    configuration.listening.reusesPort = reusePort
    if let mode { configuration.listening.fileMode = mode }
  }

  /// Where clients find the server: a URL, or `unix:PATH`.
  static func place(scheme: String, host: String, port: UInt16) -> String {
    if host.hasPrefix(SocketAddress.unixPrefix) { return host }
    return "\(scheme)://\(host.contains(":") ? "[\(host)]" : host):\(port)"
  }
}
