// The shell of an orderly end: performs what the sequence asks for.

import Dispatch
import Glibc
import HTTP
import Logging
import OpenAIAPI
import Platform

/// Ends the process when signals or a lost engine say so.
///
/// Unchecked because everything is touched on `queue` alone.
final class Shutdown: @unchecked Sendable {
  /// Where signals are to be received.
  let queue = DispatchQueue(label: "hadal.shutdown")
  private let server: Server
  private let service: Service
  private let log: Logger
  private let accessLog: LineLog?
  private var sequence: ShutdownSequence

  /// - Parameter server: the one with clients; another for those who run the server is of use to
  ///   the last.
  init(
    _ sequence: ShutdownSequence, server: Server, service: Service, log: Logger, accessLog: LineLog?
  ) {
    self.sequence = sequence
    self.server = server
    self.service = service
    self.log = log
    self.accessLog = accessLog
  }

  /// SIGTERM or SIGINT; called on the queue.
  func receiveSignal() {
    dispatchPrecondition(condition: .onQueue(queue))
    perform(sequence.receiveSignal())
  }

  /// Seconds that the last lines of the access log get.
  private static let logSeconds = 2.0
  /// Seconds for the last words of an engine that is lost.
  private static let failureSeconds = 5

  /// The engine is lost; called on any thread.
  func receiveFailure() {
    queue.async { self.perform(self.sequence.receiveFailure(seconds: Self.failureSeconds)) }
  }

  private func perform(_ actions: [ShutdownSequence.Action]) {
    for action in actions {
      switch action {
      case .announce:
        service.drain()
        log.info("draining")
        ServiceManager().tell(.stopping)
      case .wait(let seconds):
        queue.asyncAfter(deadline: .now() + .seconds(seconds)) {
          self.perform(self.sequence.delayIsOver())
        }
      case .stop(let seconds):
        log.info("stopping", metadata: ["seconds": "\(seconds)"])
        server.stop(deadline: .now() + .seconds(seconds)) {
          self.queue.async { self.perform(self.sequence.isDrained()) }
        }
      case .exit(let isOrderly):
        log.info("stopped")
        // Who does not want to wait for answers does not want to wait for their log.
        if isOrderly { accessLog?.flush(seconds: Self.logSeconds) }
        Glibc.exit(isOrderly ? EXIT_SUCCESS : EXIT_FAILURE)
      }
    }
  }
}
