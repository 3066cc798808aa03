// `hadal loadtest`: load on any OpenAI-style server, and what became of it.

import ArgumentParser
import Dispatch
import Glibc
import HTTP
import JSON
import LoadTest
import Platform

struct LoadTestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "loadtest",
    abstract: "Puts load on an OpenAI-style server and reports latencies and throughput.",
    discussion: """
      Clients that wait for their answers (--concurrency), or requests at a rate whatever becomes \
      of them (--rate):

        hadal loadtest --url http://127.0.0.1:8080 --concurrency 8 --requests 200
        hadal loadtest --url http://127.0.0.1:8080 --rate 5 --duration 60 --report load.html

      Latencies count from the moment a request was due. Time per output token is the time from \
      an answer's first token to its last, over the tokens between; gaps between events are those \
      of the stream, which may bring several tokens at once.

      429 and 503 are counted apart, as refusals. The exit status is 1 after any other error. \
      Ctrl-C ends a run early and still reports; a second one exits at once.
      """)

  @Option(help: "The server: http://HOST:PORT or https://HOST, with or without /v1.")
  var url: String

  @OptionGroup(title: "Server's certificate (https)") var trust: LoadTrustOptions

  @OptionGroup(title: "Load") var pace: LoadPaceOptions
  @OptionGroup(title: "Requests") var traffic: LoadTrafficOptions
  @OptionGroup(title: "Goals (goodput is the share and rate of requests that meet all)")
  var goals: LoadGoalOptions

  @Flag(help: "Print JSON instead of tables: one object.")
  var json = false

  @Option(help: "Write an HTML report with charts to this file.")
  var report: String?

  func validate() throws {
    let isSecure: Bool
    do throws(HTTPClientError) {
      isSecure = try HTTPURL(url).isSecure
    } catch {
      throw ValidationError("--url: \(error)")
    }
    guard isSecure || trust.trust == .system else {
      throw ValidationError("--ca and --insecure need a URL that begins with https://")
    }
  }

  func run() throws {
    var plan = LoadPlan(url: try HTTPURL(url))
    let seed = traffic.seed ?? UInt64.random(in: 0..<(1 << 53))
    pace.apply(to: &plan, seed: seed)
    try traffic.apply(to: &plan, seed: seed)
    goals.apply(to: &plan)
    plan.trust = trust.trust
    let progress = ProgressLine()
    let test = try LoadTestRun(plan) { progress.show($0) }
    let interrupt = Interrupt(test)
    let result = withExtendedLifetime(
      TerminationSignals(queue: DispatchQueue(label: "signals")) { interrupt.receive() }
    ) { test.run() }
    progress.clear()
    if let report {
      let html = Array(result.html.utf8)
      let file = try NewFile(path: report, size: html.count)
      try file.append(html)
      try file.commit()
    }
    try StandardOutput.writeLine(json ? result.json.text : result.text)
    if result.hasErrors { throw ExitCode.failure }
  }
}

/// Ctrl-C: the first ends the run, the second the program.
private final class Interrupt: @unchecked Sendable {
  // Unchecked: signals arrive on one serial queue, and nothing else calls in.
  private let test: LoadTestRun
  private var hasStopped = false

  init(_ test: LoadTestRun) { self.test = test }

  func receive() {
    guard !hasStopped else { Glibc.exit(130) }
    hasStopped = true
    test.stop()
  }
}

/// The progress on standard error: one line that is written anew on a terminal, and else a line
/// every few seconds.
private final class ProgressLine: @unchecked Sendable {
  // Unchecked: the run calls from its one queue, and `clear` comes when it has ended.
  private let isTerminal = StandardError.isTerminal
  private var shown = 0
  private var nextLine = 0.0

  /// Seconds between lines of a log.
  private static let logInterval = 5.0

  func show(_ progress: LoadProgress) {
    if isTerminal {
      let line = progress.line
      StandardError.write(
        "\r" + line + String(repeating: " ", count: max(shown - line.count, 0)))
      shown = line.count
    } else if progress.seconds >= nextLine {
      nextLine = progress.seconds + Self.logInterval
      StandardError.write(progress.line + "\n")
    }
  }

  func clear() {
    if shown > 0 { StandardError.write("\r" + String(repeating: " ", count: shown) + "\r") }
  }
}
