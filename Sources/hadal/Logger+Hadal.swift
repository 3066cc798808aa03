// Where log lines go: standard error, so that standard output stays what was asked for.

import Logging

extension Logger {
  /// - Parameter quiet: only warnings and errors.
  init(label: String, quiet: Bool) {
    self.init(label: label) { StreamLogHandler.standardError(label: $0) }
    logLevel = quiet ? .warning : .info
  }
}
