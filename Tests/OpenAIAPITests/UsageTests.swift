// What an answer says it has cost.

import JSON
import OpenAIAPI
import Serving
import Testing

@Suite("Usage")
struct UsageTests {
  /// Adds, for each choice in turn, a start with so many cached tokens and one generated token.
  private func usage(promptTokens: [Int], choices: Int, cached: [Int]) -> JSONValue {
    var request = TranslatedRequest()
    request.prompts = promptTokens.map { Prompt(tokens: Array(repeating: 97, count: $0)) }
    request.choicesPerPrompt = choices
    var usage = Usage(request)
    for (choice, count) in cached.enumerated() {
      var assembler = ChoiceAssembler(request, prompt: request.prompts[0], tokenizer: nil)
      var delta = assembler.add(.started(cachedTokens: count))
      delta.append(assembler.add(.token(98, nil)))
      usage.add(delta, choice: choice)
    }
    return usage.json
  }

  @Test("cached tokens of one prompt")
  func onePrompt() {
    #expect(
      usage(promptTokens: [200], choices: 1, cached: [128]) == [
        "prompt_tokens": 200, "completion_tokens": 1, "total_tokens": 201,
        "prompt_tokens_details": ["cached_tokens": 128],
      ])
  }

  @Test("a prompt counts once for all its answers, with what its first answer found")
  func severalPrompts() {
    #expect(
      usage(promptTokens: [100, 70], choices: 2, cached: [0, 100, 64, 70]) == [
        "prompt_tokens": 170, "completion_tokens": 4, "total_tokens": 174,
        "prompt_tokens_details": ["cached_tokens": 64],
      ])
  }
}
