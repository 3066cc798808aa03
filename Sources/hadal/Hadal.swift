// The command line.

import ArgumentParser
import DeepSeek
import Foundation
import Platform
import Text
import Weights

@main
struct Hadal: ParsableCommand {
  /// Of the program, as metrics and `--version` say it.
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "hadal",
    abstract: "Serves DeepSeek-V3-family models on CPUs over an OpenAI-style HTTP API.",
    discussion: """
      Without --model every command uses the demo model that comes with Hadal, so this is enough:

        hadal serve
        curl http://127.0.0.1:8080/v1/chat/completions \\
          -H 'Content-Type: application/json' \\
          -d '{"messages": [{"role": "user", "content": "Tell me a story"}]}'
      """,
    version: version,
    subcommands: [
      ServeCommand.self, GenerateCommand.self, InspectCommand.self, ConvertCommand.self,
      BenchCommand.self, LoadTestCommand.self,
    ])

  static func main() {
    StandardStreams.keepNumbers()
    // What grows beyond `ulimit -f` then fails to be written, as on a full disk.
    signal(SIGXFSZ, SIG_IGN)
    do {
      if let unreadable = ProgramArguments.unreadable.first {
        throw ValidationError("the argument '\(unreadable)' is not UTF-8")
      }
      let layers = try ConfigurationLayers(
        Array(CommandLine.arguments.dropFirst()), environment: ProcessInfo.processInfo.environment)
      var command = try layers.parse()
      if (command as? ServeCommand)?.printConfig == true {
        try StandardOutput.write(ConfigurationReport(values: layers.effective).text)
      } else {
        try command.run()
      }
    } catch {
      exit(withError: shown(error))
    }
  }

  /// Errors of the argument parser are as they are; others may quote what files say.
  private static func shown(_ error: any Error) -> any Error {
    switch error {
    case is CommandError, is PlatformError, is WeightsError, is DeepSeekError, is TextError:
      CommandError("\(error)".printable)
    default: error
    }
  }
}
