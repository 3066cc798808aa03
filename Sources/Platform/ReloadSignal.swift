// SIGHUP as an event on a queue: the wish of operators and supervisors that files be read again.

import Dispatch
import Glibc

/// Calls its hooks at each SIGHUP, while it lives. Without a hook the signal is left alone: it
/// ends the process, as it does when a terminal goes away.
public final class ReloadSignal {
  private let source: (any DispatchSourceSignal)?

  /// - Parameter hooks: called on `queue` in their order.
  public init(queue: DispatchQueue, hooks: [@Sendable () -> Void]) {
    guard !hooks.isEmpty else {
      source = nil
      return
    }
    // Dispatch only observes a signal; ignoring it takes away the default action.
    _ = signal(SIGHUP, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: queue)
    source.setEventHandler { for hook in hooks { hook() } }
    source.activate()
    self.source = source
  }

  deinit { source?.cancel() }
}
