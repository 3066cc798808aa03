// Who may come in, how often, from which pages and under which names; and where the routes are for
// those who run the server.

import ArgumentParser
import HTTP
import Logging
import OpenAIAPI
import Platform

struct AccessOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Ask for an API key (Authorization: Bearer KEY) of this file: one a line, KEY or NAME:KEY, \
      with limits of its own behind it such as requests=60 tokens=100000 concurrent=4; # begins \
      a comment. Read again when it changes, and on SIGHUP.
      """, valueName: "file"))
  var apiKeyFile: String?

  @Option(
    help: ArgumentHelp(
      """
      An API key, KEY or NAME:KEY; may be repeated. Whoever sees the process list sees it: the \
      variable HADAL_API_KEYS (separated by commas) and --api-key-file are safer.
      """, valueName: "key"))
  var apiKey: [String] = []

  @Option(
    help: ArgumentHelp(
      "Requests per minute of each API key; without keys, of each client address.",
      valueName: "n"))
  var rateLimitRequests: Int?

  @Option(
    help: ArgumentHelp(
      "Tokens per minute, of prompts and answers, of each API key or client address.",
      valueName: "n"))
  var rateLimitTokens: Int?

  @Option(
    help: ArgumentHelp(
      "Requests that are answered at one time for each API key or client address.",
      valueName: "n"))
  var maxConcurrentRequests: Int?

  @Option(
    help: ArgumentHelp(
      "Origin whose pages may use the API from a browser; may be repeated, * allows all.",
      valueName: "origin"))
  var corsOrigin: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      Name under which clients may address the server (Host, without port; *.example.com for all \
      under it); may be repeated. Default: on loopback, addresses and local names, so that no \
      web page can reach the server under a name of its own; else any.
      """, valueName: "host"))
  var allowedHost: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      Port of a separate address for /health, /ready and /metrics, which then are no longer at \
      the main one. No API key is asked for there.
      """, valueName: "port"))
  var adminPort: UInt16?

  @Option(help: ArgumentHelp("Address for --admin-port. Default: 127.0.0.1.", valueName: "host"))
  var adminHost: String?

  func validate() throws {
    for (name, value) in [
      ("--rate-limit-requests", rateLimitRequests), ("--rate-limit-tokens", rateLimitTokens),
      ("--max-concurrent-requests", maxConcurrentRequests),
    ] {
      guard let value, !APILimits.rate.contains(value) else { continue }
      let range = "\(APILimits.rate.lowerBound) to \(APILimits.rate.upperBound)"
      throw ValidationError("\(name) \(value) is not from \(range)")
    }
    for origin in corsOrigin where origin != "*" {
      guard origin.contains("://"), !origin.hasSuffix("/") else {
        throw ValidationError(
          "--cors-origin \(origin) is neither * nor like https://chat.example.com")
      }
    }
    guard adminHost == nil || adminPort != nil else {
      throw ValidationError("--admin-host needs --admin-port")
    }
  }

  /// Where an address with this host lets requests in.
  func policy(host: String) -> AccessPolicy {
    var policy = AccessPolicy()
    policy.limits = ClientLimits(
      requestsPerMinute: rateLimitRequests, tokensPerMinute: rateLimitTokens,
      concurrentRequests: maxConcurrentRequests)
    policy.origins = CrossOrigin(origins: corsOrigin)
    policy.hosts = hosts(host)
    return policy
  }

  private func hosts(_ host: String) -> AllowedHosts {
    if !allowedHost.isEmpty { return .names(allowedHost.map { $0.lowercased() }) }
    return Self.isLoopback(host) ? .local : .any
  }

  /// Whether only this machine reaches the address.
  static func isLoopback(_ host: String) -> Bool {
    if host.hasPrefix("unix:") { return true }
    let address = (try? SocketAddress.resolve(host: host, port: 0))?.description ?? ""
    return address.hasPrefix("127.") || address.hasPrefix("[::1]")
  }

  /// The separate address, if there is to be one.
  func adminServer(_ service: Service) -> Server? {
    guard let adminPort else { return nil }
    let host = adminHost ?? "127.0.0.1"
    var configuration = ServerConfiguration(host: host, port: adminPort)
    configuration.errorFormat = openAIErrorFormat
    configuration.limits.connections = Self.adminConnections
    configuration.limits.bodyBytes = 0
    // Probes and scrapes know the address by other names than clients do.
    var policy = AccessPolicy()
    policy.hosts = Self.isLoopback(host) ? .local : .any
    return Server(
      configuration: configuration,
      handler: AccessControl(
        policy, keys: APIKeys(), next: ServiceRoutes(service, part: .operation)))
  }

  private static let adminConnections = 64

  /// Says so loudly when anybody on the network can use the server, or read along.
  func warnOfExposure(host: String, hasKeys: Bool, hasTLS: Bool, _ log: Logger) {
    guard !Self.isLoopback(host) else { return }
    if !hasKeys {
      log.warning(
        """
        ANYBODY WHO REACHES \(host) CAN USE THIS SERVER: no API keys are asked for; give some by \
        --api-key-file or HADAL_API_KEYS
        """)
    }
    if !hasTLS {
      log.warning(
        """
        ANYBODY ON THE WAY TO \(host) CAN READ ALONG: there is no TLS; give a certificate, or put \
        the server behind a proxy that has one
        """)
    }
  }
}
