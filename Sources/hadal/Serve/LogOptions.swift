// What the server says of itself and of its requests, and where.

import ArgumentParser
import Logging
import OpenAIAPI
import Platform

extension Logger.Level: @retroactive ExpressibleByArgument {}
extension LogFormat: ExpressibleByArgument {}

/// Where the access log goes.
enum AccessLogTarget: Equatable, ExpressibleByArgument {
  case off
  case lines(LineLog.Target)

  init?(argument: String) {
    switch argument {
    case "": return nil
    case "off": self = .off
    case "stderr": self = .lines(.standardError)
    case "-": self = .lines(.standardOutput)
    case let path: self = .lines(.file(path))
    }
  }

  var defaultValueDescription: String {
    switch self {
    case .off: "off"
    case .lines(.standardError): "stderr"
    case .lines(.standardOutput): "-"
    case .lines(.file(let path)): path
    }
  }
}

struct LogOptions: ParsableArguments {
  @Option(help: "Least level of the server's own messages, which go to standard error.")
  var logLevel = Logger.Level.info

  @Option(help: "Form of the server's own messages.")
  var logFormat = LogFormat.text

  @Option(
    help: """
      File for the access log, one JSON object per request; - is standard output, stderr standard \
      error, off nothing. SIGHUP has the file opened anew.
      """)
  var accessLog = AccessLogTarget.lines(.standardError)

  @Flag(help: "Put prompts and answers into the access log, up to 32 KiB of each per request.")
  var logPrompts = false

  func validate() throws {
    if logPrompts, accessLog == .off {
      throw ValidationError("--log-prompts has nowhere to write to with --access-log off")
    }
  }

  /// The log of the server's own messages.
  var log: Logger { Logger(label: "hadal", level: logLevel, format: logFormat) }

  /// Opens the access log; nil when there is to be none.
  func openAccessLog(_ log: Logger) throws -> LineLog? {
    guard case .lines(let target) = accessLog else { return nil }
    return try LineLog(target) { log.error("access log: \($0)") }
  }

  /// What becomes of requests' lines.
  func sink(_ lines: LineLog?) -> AccessLogSink? {
    lines.map { lines in
      AccessLogSink(logsTexts: logPrompts, time: { WallClock.text }, write: { lines.write($0) })
    }
  }
}
