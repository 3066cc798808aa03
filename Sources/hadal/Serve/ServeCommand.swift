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
      Routes: GET /health, /ready, /metrics, /v1/models; POST /v1/chat/completions, \
      /v1/completions, /tokenize, /detokenize. SIGTERM or SIGINT lets running answers end; a \
      second one exits at once.
      """)

  @OptionGroup var options: ModelOptions
  @OptionGroup var running: RunningOptions
  @OptionGroup var speculation: SpeculationOptions
  @OptionGroup var logging: LogOptions
  @OptionGroup var connections: ConnectionOptions
  @OptionGroup var tls: TLSOptions
  @OptionGroup(title: "Access") var access: AccessOptions
  @OptionGroup(title: "Lifecycle") var lifecycle: LifecycleOptions

  @Option(help: "Address to listen on, `::` for all of IPv6 and IPv4; or unix:PATH.")
  var host = "127.0.0.1"

  @Option(help: "Port to listen on; 0 picks a free one.")
  var port: UInt16 = 8080

  @Option(help: "Name that clients give as model. Default: that of the directory or GGUF file.")
  var servedModelName: String?

  @Option(help: "How messages become a prompt. Default: what the chat template is.")
  var chatFormat: ChatFormat?

  @Flag(help: "Print every option's value in force and its origin as YAML instead of serving.")
  var printConfig = false

  func run() throws {
    let start = MonotonicClock.nanoseconds
    let log = logging.log
    let accessLog = try logging.openAccessLog(log)
    let credentials = try tls.credentials(log)
    let keys = try KeySource(access, log)
    var planned = try PlannedModel(options, running, mtp: speculation.mtp)
    try planned.checkMemory()
    let text = try ModelText(planned.directory, planned.configuration, chatFormat: chatFormat)
    if text.tokenizer == nil {
      log.warning("the model has no tokenizer: prompts must be token ids")
    } else if text.chatFormat == nil {
      log.warning("unknown chat template: chat needs --chat-format")
    }
    // Listens while it loads, so that those who ask learn how far it is.
    let service = Service(stallSeconds: lifecycle.stallSeconds)
    let server = server(
      service, keys, credentials, sink: logging.sink(accessLog))
    access.warnOfExposure(
      host: host, hasKeys: !keys.keys.isEmpty, hasTLS: credentials != nil, log)
    let admin = access.adminServer(service)
    let adminBound = try admin?.start()
    // One that joins another's port would take half of its clients before it can serve them.
    let early = connections.reusePort ? nil : try server.start()
    log.info(
      "listening",
      metadata: [
        "port": early.map { "\($0)" } ?? "later",
        "admin_port": adminBound.map { "\($0)" } ?? "none",
      ])
    let shutdown = Shutdown(
      lifecycle.shutdown, server: server, service: service, log: log, accessLog: accessLog)
    let signals = (
      TerminationSignals(queue: shutdown.queue) { shutdown.receiveSignal() },
      ReloadSignal(queue: .global(), hooks: reloads(keys, credentials, accessLog, log))
    )
    planned.onProgress = { service.report(progress: $0) }
    let connectionCounts = ConnectionCounts()
    connectionCounts.server = server
    let metrics = ServerMetrics(planned, accessLog: accessLog, connections: connectionCounts)
    let model = ServedModel(
      name: servedModelName ?? planned.directory.name, tokenizer: text.tokenizer,
      chatFormat: text.chatFormat, defaults: text.defaults, endTokens: text.endTokens,
      vocabularySize: planned.configuration.vocabularySize, engine: try planned.start(log),
      requests: service.requests)
    service.begin(model, host: metrics.host)
    let bound = try early ?? server.start()
    log.info(
      "ready",
      metadata: [
        "model": "\(model.name)", "context": "\(planned.limits.contextLength)",
        "seconds": "\(Double((MonotonicClock.nanoseconds - start) / 1_000_000) / 1000)",
      ])
    let watch = EngineWatch(model.engine, stallSeconds: lifecycle.stallSeconds, log: log) {
      shutdown.receiveFailure()
    }
    // Said last: whoever reads it may send requests and signals.
    let scheme = credentials == nil ? "http" : "https"
    let place = ConnectionOptions.place(scheme: scheme, host: host, port: bound)
    // Who closed the stream does not read it.
    try? StandardOutput.writeLine("Listening on \(place)")
    ServiceManager().tell(.ready)
    withExtendedLifetime((signals, watch, admin, keys)) { dispatchMain() }
  }

  /// The server of the main address.
  private func server(
    _ service: Service, _ keys: KeySource, _ credentials: TLSCredentials?, sink: AccessLogSink?
  ) -> Server {
    let control = AccessControl(
      access.policy(host: host), keys: keys.keys,
      next: ServiceRoutes(service, part: access.adminPort == nil ? .all : .api))
    keys.watch { control.replace($0) }
    let handler = AccessLog(around: control, counts: service.requests, sink: sink)
    var configuration = ServerConfiguration(host: host, port: port)
    configuration.errorFormat = handler.observing(openAIErrorFormat)
    configuration.tls = credentials
    configuration.limits.bodyBytes = APILimits.bodyBytes
    connections.apply(to: &configuration)
    return Server(configuration: configuration, handler: handler)
  }

  /// What SIGHUP is to do.
  private func reloads(
    _ keys: KeySource, _ credentials: TLSCredentials?, _ accessLog: LineLog?, _ log: Logger
  ) -> [@Sendable () -> Void] {
    var reloads: [@Sendable () -> Void] = []
    if let accessLog { reloads.append { accessLog.reopen() } }
    if let credentials { reloads.append { credentials.reload(log) } }
    if access.apiKeyFile != nil { reloads.append { keys.reload() } }
    return reloads
  }
}
