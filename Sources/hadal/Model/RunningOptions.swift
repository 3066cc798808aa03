// Options of the commands that answer prompts, beside those of the model.

import ArgumentParser

struct RunningOptions: ParsableArguments {
  @Option(help: "Milliseconds that computing prompts may hold up running answers at a time.")
  var targetStepMs = 50.0

  @Flag(
    help: """
      Keep the weights as they are packed at the start in a file beside the model; later starts \
      read it instead of packing.
      """)
  var savePacked = false

  @Flag(
    help: """
      Use the file of --save-packed where it lies instead of copying it: starts at once and shares \
      its memory with other processes, but is read a little slower, in small pages, and is not \
      checked for damage.
      """)
  var mapPacked = false

  @Flag(help: "Forget prompts and answers at their end instead of caching them.")
  var noPrefixCache = false

  func validate() throws {
    guard (1...10_000).contains(targetStepMs) else {
      throw ValidationError("--target-step-ms \(targetStepMs) is not from 1 to 10000")
    }
  }
}
