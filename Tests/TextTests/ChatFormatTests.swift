// Rendered conversations against what the published templates write, and their detection.

import JSON
import Testing
import Text

extension ChatMessage {
  /// A message as OpenAI's API has it.
  fileprivate init?(_ value: JSONValue) {
    guard let role = value["role"]?.stringValue.flatMap(Role.init(rawValue:)) else { return nil }
    self.init(
      role: role, content: value["content"]?.stringValue,
      toolCalls: value["tool_calls"]?.arrayValue?.map { call in
        ChatToolCall(
          id: call["id"]?.stringValue, type: call["type"]?.stringValue ?? "function",
          name: call["function"]?["name"]?.stringValue ?? "",
          arguments: call["function"]?["arguments"] ?? .null)
      },
      toolCallID: value["tool_call_id"]?.stringValue,
      isPrefix: value["prefix"]?.boolValue ?? false)
  }
}

private let formats: [String: ChatFormat] = [
  "deepseek-v2.jinja": .deepseekV2, "deepseek-v3-r1.jinja": .deepseekV3,
  "deepseek-v3.1.jinja": .deepseekV31,
]

@Suite("Chat formats")
struct ChatFormatTests {
  @Test(
    "every recorded rendering",
    arguments: [("renderings.jsonl", 64), ("more-renderings.jsonl", 30)])
  func renderings(_ file: String, _ count: Int) throws {
    let lines = try Fixture.lines("templates/\(file)")
    #expect(lines.count >= count)
    for line in lines {
      let format = try #require(formats[line["template"]?.stringValue ?? ""])
      let conversation = line["messages_and_tools"]
      let messages = (conversation?["messages"]?.arrayValue ?? []).map { ChatMessage($0) }
      let options = ChatOptions(
        addGenerationPrompt: line["vars"]?["add_generation_prompt"]?.boolValue ?? false,
        thinking: line["vars"]?["enable_thinking"]?.boolValue ?? false,
        beginToken: try #require(line["vars"]?["bos_token"]?.stringValue),
        endToken: try #require(line["vars"]?["eos_token"]?.stringValue))
      let text = try? format.render(
        messages.map { try #require($0) },
        options: options)
      // A template that fails is recorded as null.
      #expect(
        text == line["rendered"]?.stringValue,
        "\(format.rawValue), \(line["context"]?.text ?? ""), \(line["vars"]?.text ?? "")")
    }
  }

  @Test("a message that the template has no text for is refused by its index")
  func refused() {
    let user = ChatMessage(role: .user, content: "Hi")
    let silent = ChatMessage(role: .assistant, content: nil)
    let call = ChatToolCall(name: "f", arguments: ["x": 1])
    let calling = ChatMessage(role: .assistant, content: nil, toolCalls: [call])
    for format in ChatFormat.allCases {
      #expect {
        try format.render([user, silent])
      } throws: {
        if case .message(1, _)? = $0 as? TextError { true } else { false }
      }
    }
    #expect(throws: TextError.self) { try ChatFormat.deepseekV3.render([user, calling]) }
    #expect(throws: Never.self) { try ChatFormat.deepseekV31.render([user, calling]) }
  }

  @Test("R1 renders as V3 with a thought begun where the answer is to come")
  func thoughtful() throws {
    for line in try Fixture.lines("templates/renderings.jsonl")
    where line["template"]?.stringValue == "deepseek-v3-r1.jinja" {
      guard let rendered = line["rendered"]?.stringValue else { continue }
      let messages = try (line["messages_and_tools"]?["messages"]?.arrayValue ?? [])
        .map { try #require(ChatMessage($0)) }
      let prompts = line["vars"]?["add_generation_prompt"]?.boolValue ?? false
      let text = try ChatFormat.deepseekR1.render(
        messages,
        options: ChatOptions(
          addGenerationPrompt: prompts,
          beginToken: try #require(line["vars"]?["bos_token"]?.stringValue),
          endToken: try #require(line["vars"]?["eos_token"]?.stringValue)))
      #expect(text == rendered + (rendered.hasSuffix("<｜Assistant｜>") ? "<think>\n" : ""))
    }
  }

  @Test("text that spells a special token stays as it is")
  func nothingEscaped() throws {
    let text = try ChatFormat.deepseekV3.render(
      [ChatMessage(role: .user, content: "<｜Assistant｜>\n&<\u{0}")],
      options: ChatOptions(addGenerationPrompt: false, beginToken: ""))
    #expect(text == "<｜User｜><｜Assistant｜>\n&<\u{0}")
  }
}

@Suite("Detection of chat templates")
struct ChatTemplateTests {
  @Test(
    "the published templates", .enabled(if: Fixture.hasShared("templates")),
    arguments: Array(formats.keys))
  func published(_ file: String) throws {
    let template = String(
      decoding: try Fixture.sharedBytes("templates/\(file)"), as: UTF8.self)
    #expect(ChatFormat.detect(template: template) == formats[file])
    // Layout does not matter.
    let spread = template.replacing("{%", with: "\n  {%").replacing("%}", with: "%}\n")
    #expect(ChatFormat.detect(template: spread) == formats[file])
    // One foreign mark does.
    for foreign in ["<|im_start|>", "<｜Human｜>", "{{ 'Remember: ' }}", "### Instruction"] {
      #expect(ChatFormat.detect(template: template + foreign) == nil)
    }
  }

  @Test("R1's template that opens a thought")
  func thought() {
    let template = """
      {{bos_token}}{%- for message in messages %}{%- if message['role'] == 'user' %}
      {{'<｜User｜>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' %}
      {{'<｜Assistant｜>' + message['content'].split('</think>')[-1] + '<｜end▁of▁sentence｜>'}}
      {%- endif %}{%- endfor %}
      {% if add_generation_prompt %}{{'<｜Assistant｜><think>\\n'}}{% endif %}
      """
    #expect(ChatFormat.detect(template: template) == .deepseekR1)
  }

  @Test("a short template with the marks of V3")
  func short() {
    let template = """
      {# plain chat #}{{ bos_token }}{% for m in messages %}{% if m.role == "user" -%}
      {{ '<｜User｜>' + m.content }}{% elif m.role == "assistant" %}{{ '<｜Assistant｜>' ~ m['content']
      ~ '<｜end▁of▁sentence｜>' }}{% else %}{{ m.content }}{% endif %}{% endfor %}
      {%- if add_generation_prompt %}<｜Assistant｜>{% endif %}
      """
    #expect(ChatFormat.detect(template: template) == .deepseekV3)
  }

  @Test(
    "templates of other models",
    arguments: [
      "", "{{ messages }}", "{{ 'unclosed", "{%", "<｜User｜>",
      // ChatML, Llama 2 and 3, DeepSeek-Coder, a vicuna-like one, a question template.
      """
      {% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content']\
      + '<|im_end|>' + '\\n'}}{% endfor %}
      """,
      "{{ bos_token + '[INST] ' + message['content'] + ' [/INST]' }}",
      "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}",
      "{{ '### Instruction:\\n' + message['content'] + '\\n' }}{{ '### Response:\\n' }}",
      "{{ 'USER: ' + message['content'] }}{{ 'ASSISTANT: ' }}",
      "{{ 'User: ' + message['content'] }}{{ 'Assistant:' }}{{ 'Question: ' }}",
      "{{'<｜User｜>' + message['content']}}{{'<｜Bot｜>' + '<｜Assistant｜>'}}",
    ])
  func foreign(_ template: String) {
    #expect(ChatFormat.detect(template: template) == nil)
  }
}
