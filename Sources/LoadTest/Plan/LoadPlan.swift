// What a load test is to do: every option as a value.

import HTTP

/// When requests are sent and when the run ends.
public struct LoadPace: Sendable {
  /// What decides when a request is sent.
  public enum Mode: Sendable, Equatable {
    /// So many clients, each of which sends its next request when it has its answer.
    case closed(concurrency: Int)
    /// So many requests per second, whether answers come or not.
    case open(rate: Double, arrivals: ArrivalKind)
  }

  public var mode = Mode.closed(concurrency: 8)
  /// The number of counted requests after which the run ends; nil for no such end.
  public var requests: Int?
  /// The seconds after the first counted request after which none is sent; nil for no such end.
  public var duration: Double?
  /// Requests before those that are counted.
  public var warmupRequests = 0
  /// Seconds before requests are counted.
  public var warmupSeconds = 0.0
  /// The most requests of an open loop in work at one time; those due beyond it are sent late.
  public var maxOutstanding = 1024
  public var seed: UInt64 = 0

  /// The defaults.
  public init() {}

  /// The most connections at one time.
  var connections: Int {
    switch mode {
    case .closed(let concurrency): concurrency
    case .open: maxOutstanding
    }
  }
}

/// What is asked.
public struct LoadTraffic: Sendable {
  /// The API's two ways to ask.
  public enum Endpoint: String, Sendable, CaseIterable {
    case chat
    case completions

    var path: String { self == .chat ? "/chat/completions" : "/completions" }
  }

  public var endpoint = Endpoint.chat
  /// The model's name; nil asks the server and takes the first it lists.
  public var model: String?
  public var promptTokens = LengthDistribution.fixed(128)
  public var maxTokens = LengthDistribution.fixed(64)
  /// The share of a first prompt, from its beginning, that is the same in all.
  public var sharedPrefix = 0.0
  /// Requests of a conversation, each of which sends all before it again.
  public var turns = 1
  /// The size of the vocabulary of which prompts are random ids; nil for prompts of words.
  public var tokenIDs: Int?
  /// Nil leaves it to the server.
  public var temperature: Double?
  /// Asks for answers of full length; an extension of several servers.
  public var ignoresEnd = false
  public var isStreamed = true
  /// Header fields of every request. Their values appear in no report.
  public var headers = Headers()
  public var seed: UInt64 = 0

  /// The defaults.
  public init() {}
}

/// Latencies in milliseconds that a good request keeps to; those that are nil do not count.
public struct LatencyGoals: Sendable, Equatable {
  public var timeToFirstToken: Double?
  /// Of the mean time per output token after the first.
  public var interToken: Double?
  public var endToEnd: Double?

  /// No goals.
  public init() {}

  var isEmpty: Bool { timeToFirstToken == nil && interToken == nil && endToEnd == nil }
}

/// A whole load test.
public struct LoadPlan: Sendable {
  /// The server; its path may or may not end in `/v1`.
  public var url: HTTPURL
  /// Of an `https` server's certificate.
  public var trust = TLSTrust.system
  public var pace = LoadPace()
  public var traffic = LoadTraffic()
  public var goals = LatencyGoals()
  public var timeouts = HTTPClientTimeouts()

  /// A plan with the defaults.
  public init(url: HTTPURL) { self.url = url }

  /// The path below which the API's routes lie.
  var basePath: String { url.path.hasSuffix("/v1") ? url.path : url.path + "/v1" }
}
