// `hadal serve`: the server, from start to the last answer after SIGTERM.

import ArgumentParser
import DeepSeek
import Dispatch
import Glibc
import HTTP
import Logging
import OpenAIAPI
import Platform
import Serving
import Text

extension ChatFormat: ExpressibleByArgument {}

struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serves a model over HTTP.",
    discussion: """
      Routes: GET /health, /metrics, /v1/models; POST /v1/chat/completions, \
      /v1/completions, /tokenize, /detokenize. SIGTERM or SIGINT lets running answers end; a \
      second one exits at once.
      """)

  @OptionGroup var options: ModelOptions
  @OptionGroup var speculation: SpeculationOptions
  @OptionGroup var logging: LogOptions
  @OptionGroup var connections: ConnectionOptions

  @Option(help: "Address to listen on, `::` for all of IPv6 and IPv4; or unix:PATH.")
  var host = "127.0.0.1"

  @Option(help: "Port to listen on; 0 picks a free one.")
  var port: UInt16 = 8080

  @Option(help: "Name that clients give as model. Default: that of the directory or GGUF file.")
  var servedModelName: String?

  @Option(help: "How messages become a prompt. Default: what the chat template is.")
  var chatFormat: ChatFormat?

  @Option(help: "Seconds that running answers get after SIGTERM.")
  var drainSeconds = 30

  func validate() throws {
    guard (0...86_400).contains(drainSeconds) else {
      throw ValidationError("--drain-seconds \(drainSeconds) is not from 0 to 86400")
    }
  }

  func run() throws {
    let start = MonotonicClock.nanoseconds
    let log = logging.log
    let accessLog = try logging.openAccessLog(log)
    let planned = try PlannedModel(options, mtp: speculation.mtp)
    let text = try ModelText(planned.directory, planned.configuration, chatFormat: chatFormat)
    if text.tokenizer == nil {
      log.warning("the model has no tokenizer: prompts must be token ids")
    } else if text.chatFormat == nil {
      log.warning("unknown chat template: chat needs --chat-format")
    }
    let model = ServedModel(
      name: servedModelName ?? planned.directory.name, tokenizer: text.tokenizer,
      chatFormat: text.chatFormat, defaults: text.defaults, endTokens: text.endTokens,
      vocabularySize: planned.configuration.vocabularySize, engine: try planned.start(log))
    var configuration = ServerConfiguration(host: host, port: port)
    let connectionCounts = ConnectionCounts()
    let metrics = ServerMetrics(planned, accessLog: accessLog, connections: connectionCounts)
    let handler = AccessLog(
      around: APIServer(model: model, host: metrics.host), model: model,
      sink: logging.sink(accessLog))
    configuration.errorFormat = handler.observing(openAIErrorFormat)
    configuration.limits.bodyBytes = APILimits.bodyBytes
    connections.apply(to: &configuration)
    let server = Server(configuration: configuration, handler: handler)
    connectionCounts.server = server
    let bound = try server.start()
    log.info(
      "ready",
      metadata: [
        "model": "\(model.name)", "context": "\(planned.limits.contextLength)",
        "seconds": "\(Double((MonotonicClock.nanoseconds - start) / 1_000_000) / 1000)",
      ])
    let shutdown = Shutdown(
      server: server, seconds: drainSeconds, log: log, accessLog: accessLog)
    let reload = ReloadSignal(
      queue: .main, hooks: accessLog.map { lines in [{ lines.reopen() }] } ?? [])
    // Last, so that whoever waits for this line may send signals.
    let place = ConnectionOptions.place(scheme: "http", host: host, port: bound)
    let signals = TerminationSignals(
      queue: .main, onReady: { StandardOutput.write("Listening on \(place)\n") },
      handler: { shutdown.receive() })
    withExtendedLifetime((reload, signals)) {
      dispatchMain()
    }
  }
}

/// An orderly end: the first signal drains, the second one exits at once.
private final class Shutdown: @unchecked Sendable {
  // Unchecked: signals arrive on the main queue, and nothing else calls in.
  private let server: Server
  private let seconds: Int
  private let log: Logger
  private let accessLog: LineLog?
  private var isDraining = false

  /// Seconds that the last lines of the access log get.
  private static let logSeconds = 2.0

  init(server: Server, seconds: Int, log: Logger, accessLog: LineLog?) {
    self.accessLog = accessLog
    self.server = server
    self.seconds = seconds
    self.log = log
  }

  func receive() {
    dispatchPrecondition(condition: .onQueue(.main))
    guard !isDraining else { Glibc.exit(EXIT_FAILURE) }
    isDraining = true
    log.info("draining", metadata: ["seconds": "\(seconds)"])
    server.stop(deadline: .now() + .seconds(seconds)) { [log, accessLog] in
      log.info("stopped")
      accessLog?.flush(seconds: Self.logSeconds)
      Glibc.exit(EXIT_SUCCESS)
    }
  }
}
