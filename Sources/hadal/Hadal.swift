// The command line.

import ArgumentParser

@main
struct Hadal: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hadal",
    abstract: "Serves DeepSeek-V3-family models on CPUs over an OpenAI-style HTTP API.",
    discussion: """
      Without --model every command uses the demo model that comes with Hadal, so this is enough:

        hadal serve
        curl http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' \\
          -d '{"messages": [{"role": "user", "content": "Tell me a story."}]}'
      """,
    subcommands: [
      ServeCommand.self, GenerateCommand.self, InspectCommand.self, ConvertCommand.self,
      BenchCommand.self, LoadTestCommand.self,
    ])
}
