// The options of `hadal loadtest`, in the groups that its help shows.

import ArgumentParser
import HTTP
import LoadTest
import Platform

extension LengthDistribution: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }

  public var defaultValueDescription: String { description }
}

extension ArrivalKind: ExpressibleByArgument {}

extension LoadTraffic.Endpoint: ExpressibleByArgument {}

/// What the server's certificate must lead to.
struct LoadTrustOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Certificates (PEM) of which one must have signed it. Default: the system's authorities.",
      valueName: "file"))
  var ca: String?

  @Flag(help: "Believe whoever answers.")
  var insecure = false

  func validate() throws {
    guard ca == nil || !insecure else {
      throw ValidationError("--ca and --insecure exclude each other")
    }
  }

  var trust: TLSTrust { insecure ? .anybody : ca.map { .file($0) } ?? .system }
}

/// When requests are sent.
struct LoadPaceOptions: ParsableArguments {
  @Option(help: "Clients that each send their next request when they have an answer. [8]")
  var concurrency: Int?

  @Option(help: "Requests per second, sent whether answers come or not, in place of clients.")
  var rate: Double?

  @Option(help: "How requests of --rate follow each other: poisson or fixed.")
  var arrivals = ArrivalKind.poisson

  @Option(help: "The most requests of --rate in work; those due beyond it are sent late.")
  var maxOutstanding = 1024

  @Option(help: "Counted requests after which the run ends. [200, without --duration]")
  var requests: Int?

  @Option(help: "Seconds after which no request is sent; those in work end.")
  var duration: Double?

  @Option(help: "Requests before those that are counted.")
  var warmupRequests = 0

  @Option(help: "Seconds before requests are counted.")
  var warmupSeconds = 0.0

  @Option(help: "Seconds for a connection.")
  var connectTimeout = 10.0

  @Option(help: "Seconds for a whole answer.")
  var timeout = 600.0

  func validate() throws {
    guard concurrency == nil || rate == nil else {
      throw ValidationError("--concurrency and --rate exclude each other")
    }
    try check("--concurrency", concurrency, 1...LoadLimits.outstanding)
    try check("--max-outstanding", maxOutstanding, 1...LoadLimits.outstanding)
    try check("--requests", requests, 1...LoadLimits.requests)
    try check("--warmup-requests", warmupRequests, 0...LoadLimits.requests)
    try check("--rate", rate, 0.001...LoadLimits.rate)
    try check("--duration", duration, 0.001...LoadLimits.seconds)
    try check("--warmup-seconds", warmupSeconds, 0...LoadLimits.seconds)
    try check("--connect-timeout", connectTimeout, 0.001...LoadLimits.seconds)
    try check("--timeout", timeout, 0.001...LoadLimits.seconds)
  }

  func apply(to plan: inout LoadPlan, seed: UInt64) {
    plan.pace.mode =
      rate.map { .open(rate: $0, arrivals: arrivals) } ?? .closed(concurrency: concurrency ?? 8)
    plan.pace.requests = requests ?? (duration == nil ? 200 : nil)
    plan.pace.duration = duration
    plan.pace.warmupRequests = warmupRequests
    plan.pace.warmupSeconds = warmupSeconds
    plan.pace.maxOutstanding = maxOutstanding
    plan.pace.seed = seed
    plan.timeouts.connect = connectTimeout
    plan.timeouts.answer = timeout
  }
}

/// What is asked.
struct LoadTrafficOptions: ParsableArguments {
  @Option(help: "Way to ask: chat or completions.")
  var endpoint = LoadTraffic.Endpoint.chat

  @Option(help: "Model to ask for. Default: the first that the server lists.")
  var model: String?

  @Option(help: "Words of a prompt: 128, 64-512 or lognormal:MEDIAN,SIGMA.")
  var promptTokens = LengthDistribution.fixed(128)

  @Option(help: "The most tokens of an answer, in the same forms.")
  var maxTokens = LengthDistribution.fixed(64)

  @Option(help: "Share of a prompt, from its beginning, that all have in common: 0 to 1.")
  var sharedPrefix = 0.0

  @Option(help: "Requests of a conversation; each sends the former ones and their answers again.")
  var turns = 1

  @Option(help: "Prompts of random ids below this number, for models without a tokenizer.")
  var tokenIds: Int?

  @Option(help: "Seed of prompts, lengths and arrivals. Default: drawn anew and reported.")
  var seed: UInt64?

  @Option(help: "Temperature. Default: the server's.")
  var temperature: Double?

  @Flag(help: "Ask for answers of full length (ignore_eos, which not every server knows).")
  var ignoreEos = false

  @Flag(help: "Ask for whole answers in place of streams.")
  var noStream = false

  @Option(help: "Sent as bearer token. Default: $HADAL_API_KEY, then $OPENAI_API_KEY.")
  var apiKey: String?

  @Option(help: "A header line of every request, 'Name: value'; may be repeated.")
  var header: [String] = []

  func validate() throws {
    try check("--shared-prefix", sharedPrefix, 0...1)
    try check("--turns", turns, 1...LoadLimits.turns)
    try check("--token-ids", tokenIds, 1...Int(Int32.max))
    try check("--temperature", temperature, 0...100)
    guard tokenIds == nil || endpoint == .completions else {
      throw ValidationError("--token-ids needs --endpoint completions")
    }
    _ = try headers
  }

  func apply(to plan: inout LoadPlan, seed: UInt64) throws {
    plan.traffic.endpoint = endpoint
    plan.traffic.model = model
    plan.traffic.promptTokens = promptTokens
    plan.traffic.maxTokens = maxTokens
    plan.traffic.sharedPrefix = sharedPrefix
    plan.traffic.turns = turns
    plan.traffic.tokenIDs = tokenIds
    plan.traffic.temperature = temperature
    plan.traffic.ignoresEnd = ignoreEos
    plan.traffic.isStreamed = !noStream
    plan.traffic.headers = try headers
    plan.traffic.seed = seed
  }

  private var headers: Headers {
    get throws {
      let reserved: Set = [
        "host", "content-length", "content-type", "connection", "transfer-encoding", "accept",
        "expect",
      ]
      var headers = Headers()
      for line in header {
        let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let value = parts.count == 2 ? parts[1].drop { $0 == " " } : ""
        guard parts.count == 2,
          HTTPClientRequest.isHeader(name: String(parts[0]), value: String(value)),
          !reserved.contains(parts[0].lowercased())
        else { throw ValidationError("--header '\(line)' cannot be sent") }
        headers.append(String(parts[0]), String(value))
      }
      if let key {
        guard HTTPClientRequest.isHeader(name: "Authorization", value: key) else {
          throw ValidationError("the API key holds control characters")
        }
        headers.append("Authorization", "Bearer \(key)")
      }
      return headers
    }
  }

  private var key: String? {
    if let apiKey { return apiKey }
    let variables = ["HADAL_API_KEY", "OPENAI_API_KEY"]
    return variables.lazy.compactMap(EnvironmentVariable.value).first { !$0.isEmpty }
  }
}

/// What a good request keeps to.
struct LoadGoalOptions: ParsableArguments {
  @Option(help: "Milliseconds to the first token.")
  var goalTtft: Double?

  @Option(help: "Milliseconds for each token after the first, as a mean over the answer.")
  var goalItl: Double?

  @Option(help: "Milliseconds for the whole answer.")
  var goalE2e: Double?

  func validate() throws {
    let bounds = 0.001...LoadLimits.seconds * 1000
    try check("--goal-ttft", goalTtft, bounds)
    try check("--goal-itl", goalItl, bounds)
    try check("--goal-e2e", goalE2e, bounds)
  }

  func apply(to plan: inout LoadPlan) {
    plan.goals.timeToFirstToken = goalTtft
    plan.goals.interToken = goalItl
    plan.goals.endToEnd = goalE2e
  }
}

private func check<Value: Comparable>(
  _ option: String, _ value: Value?, _ range: ClosedRange<Value>
) throws {
  guard let value, !range.contains(value) else { return }
  throw ValidationError(
    "\(option) \(value) is not from \(range.lowerBound) to \(range.upperBound)")
}
