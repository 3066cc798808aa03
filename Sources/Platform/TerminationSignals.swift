// SIGTERM and SIGINT as events on a queue.

import Dispatch
import Glibc

/// Reports the signals that ask a process to end instead of ending it, while it lives.
public final class TerminationSignals {
  private let sources: [any DispatchSourceSignal]

  /// - Parameters:
  ///   - onReady: called on `queue` once no signal can get lost any more: Dispatch begins to watch
  ///     some time after it is asked to, and until then they are ignored.
  ///   - handler: called on `queue` for each SIGTERM or SIGINT.
  public init(
    queue: DispatchQueue, onReady: @escaping @Sendable () -> Void = {},
    handler: @escaping @Sendable () -> Void
  ) {
    let watched = DispatchGroup()
    sources = [SIGTERM, SIGINT].map { number in
      // Dispatch only observes a signal; ignoring it takes away the default action.
      _ = signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler(handler: handler)
      watched.enter()
      source.setRegistrationHandler { watched.leave() }
      source.activate()
      return source
    }
    watched.notify(queue: queue, execute: onReady)
  }

  deinit {
    for source in sources { source.cancel() }
  }
}
