// Members of a request that are not acted upon: those that by their nature cannot change an answer
// are accepted, those that are not supported are refused by name.

import JSON

extension RequestFields {
  /// Accepts the members whose meaning has nothing to do with the answer.
  mutating func acceptInert() throws(APIError) {
    // Names of end users and of cache entries, for the operator of a hosted service.
    for key in ["user", "safety_identifier", "prompt_cache_key"] { _ = try string(key) }
    // Labels for stored answers; nothing is stored here.
    _ = try members("metadata", limit: APILimits.metadataEntries)
    try refuse("store", except: [false])
    // Classes of paid service; there is one.
    try refuse("service_tier", except: ["auto", "default"])
  }

  /// Refuses what the OpenAI API or vLLM know at either endpoint and this server does not do.
  /// Values that are those parameters' defaults ask for nothing and pass.
  mutating func refuseUnsupported() throws(APIError) {
    for (key, neutral) in Self.unsupported { try refuse(key, except: neutral) }
  }

  private static let unsupported: [(key: String, neutral: [JSONValue])] = [
    ("response_format", [["type": "text"]]),
    ("structured_outputs", []),
    ("guided_json", []), ("guided_regex", []), ("guided_choice", []), ("guided_grammar", []),
    ("use_beam_search", [false]),
    ("length_penalty", [1, 1.0]),
    ("min_tokens", [0]),
    ("bad_words", [[]]),
    ("allowed_token_ids", []),
    ("logprob_token_ids", []),
    ("prompt_logprobs", []),
    ("truncate_prompt_tokens", []),
    ("spaces_between_special_tokens", [true]),
    ("logits_processors", [[]]),
    ("prompt_embeds", []),
    ("request_id", []),
    ("vllm_xargs", []),
    ("kv_transfer_params", []),
  ]

  /// The same for the chat endpoint alone.
  mutating func refuseUnsupportedChat() throws(APIError) {
    for (key, neutral) in Self.unsupportedChat { try refuse(key, except: neutral) }
  }

  private static let unsupportedChat: [(key: String, neutral: [JSONValue])] = [
    ("tools", [[]]),
    ("tool_choice", ["none"]),
    ("parallel_tool_calls", [true, false]),
    ("functions", [[]]),
    ("function_call", ["none"]),
    ("modalities", [["text"]]),
    ("audio", []),
    ("prediction", []),
    ("reasoning_effort", []),
    ("verbosity", []),
    ("web_search_options", []),
    ("continue_final_message", [false]),
    ("echo", [false]),
    ("documents", []),
    ("chat_template", []),
    ("mm_processor_kwargs", []),
  ]
}
