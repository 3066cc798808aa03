// SIGTERM and SIGINT as events on a queue.

import Dispatch
import Glibc

/// Reports the signals that ask a process to end instead of ending it, while it lives.
public final class TerminationSignals {
  private let sources: [any DispatchSourceSignal]

  /// - Parameter handler: called on `queue` for each SIGTERM or SIGINT.
  public init(queue: DispatchQueue, handler: @escaping @Sendable () -> Void) {
    sources = [SIGTERM, SIGINT].map { number in
      // Dispatch only observes a signal; ignoring it takes away the default action.
      _ = signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler(handler: handler)
      source.activate()
      return source
    }
  }

  deinit {
    for source in sources { source.cancel() }
  }
}
