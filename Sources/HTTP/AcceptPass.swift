// One pass over the clients that wait at a listener: one client's trouble is not that of those
// behind it. Without IO of its own.

import Glibc
import Platform

package enum AcceptPass {
  package enum Ending: Equatable {
    /// Nobody waits any more, or nobody can be had.
    case over
    /// The system has no descriptor or memory for a client, who therefore still waits.
    case outOfResources
  }

  /// Lets in all who wait.
  /// - Parameters:
  ///   - failures: after which the pass is over. Each may be that of a client that came and went
  ///     (accept(2) names a dozen of them), so there can be as many as may wait; a listener that
  ///     fails for good fails more often.
  ///   - next: the next client; nil when none waits.
  ///   - admit: false when there is no room for a further one.
  package static func run<Client>(
    failures limit: Int, next: () throws(PlatformError) -> Client?, admit: (Client) -> Bool
  ) -> Ending {
    var failures = 0
    while failures <= limit {
      do throws(PlatformError) {
        guard let client = try next() else { return .over }
        guard admit(client) else { return .outOfResources }
      } catch .systemCall(_, let code, _) where [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(code) {
        return .outOfResources
      } catch {
        failures += 1
      }
    }
    return .over
  }
}
