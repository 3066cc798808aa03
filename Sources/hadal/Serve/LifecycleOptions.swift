// How the server ends, and when it calls its engine stuck.

import ArgumentParser
import OpenAIAPI

struct LifecycleOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Seconds that running answers get after SIGTERM.", valueName: "seconds"))
  var drainSeconds = 30

  @Option(
    help: ArgumentHelp(
      """
      Seconds after SIGTERM in which new requests are still served while /ready says 503 already, \
      so that load balancers learn of it first.
      """, valueName: "seconds"))
  var drainDelaySeconds = 0

  @Option(
    help: ArgumentHelp(
      """
      Seconds that one step of the engine may last before /health says 503 and the log tells where \
      its threads are.
      """, valueName: "seconds"))
  var stallSeconds = APILimits.stepSeconds

  func validate() throws {
    for (name, value) in [
      ("--drain-seconds", drainSeconds), ("--drain-delay-seconds", drainDelaySeconds),
    ] {
      guard (0...86_400).contains(value) else {
        throw ValidationError("\(name) \(value) is not from 0 to 86400")
      }
    }
    guard (0.001...86_400).contains(stallSeconds) else {
      throw ValidationError("--stall-seconds \(stallSeconds) is not from 0.001 to 86400")
    }
  }

  var shutdown: ShutdownSequence {
    ShutdownSequence(delaySeconds: drainDelaySeconds, drainSeconds: drainSeconds)
  }
}
