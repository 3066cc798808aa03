// The wire form of requests, in standard fields only unless an option asks for more.

import HTTP
import JSON

struct RequestWriter {
  private let traffic: LoadTraffic
  private let model: String
  private let target: String
  private let headers: Headers

  init(_ plan: LoadPlan, model: String) {
    traffic = plan.traffic
    self.model = model
    target = plan.basePath + plan.traffic.endpoint.path
    var headers = plan.traffic.headers
    headers.append("Content-Type", "application/json")
    headers.append(
      "Accept", plan.traffic.isStreamed ? ServerSentEvents.contentType : "application/json")
    self.headers = headers
  }

  /// The request for a conversation's last prompt.
  func request(_ conversation: Conversation, maxTokens: Int) -> HTTPClientRequest {
    var body = JSONObject()
    body["model"] = .string(model)
    switch traffic.endpoint {
    case .chat: body["messages"] = conversation.messages
    case .completions: body["prompt"] = conversation.prompt
    }
    // `max_completion_tokens` is OpenAI's newer name; every server knows this one.
    body["max_tokens"] = .integer(maxTokens)
    if let temperature = traffic.temperature { body["temperature"] = .double(temperature) }
    if traffic.isStreamed {
      body["stream"] = true
      body["stream_options"] = ["include_usage": true]
    }
    if traffic.ignoresEnd { body["ignore_eos"] = true }
    // Without a tokenizer an answer can be sent again only as ids.
    if traffic.tokenIDs != nil, traffic.turns > 1 { body["return_token_ids"] = true }
    return HTTPClientRequest(
      method: .post, target: target, headers: headers, body: JSONValue.object(body).serialized())
  }
}
