// `POST /tokenize` and `POST /detokenize`, with the bodies of vLLM.

import JSON
import Text

package struct TokenizeHandler {
  private let model: ServedModel

  package init(model: ServedModel) { self.model = model }

  /// Text or a conversation to tokens.
  package func tokenize(_ body: JSONValue) throws(APIError) -> JSONValue {
    var fields = try RequestFields(body)
    try fields.checkModel(model)
    let tokenizer = try tokenizer()
    let tokens: [Int32]
    if let text = try fields.string("prompt") {
      let addsSpecialTokens = try fields.bool("add_special_tokens") ?? true
      tokens = tokenizer.encode(text, addSpecialTokens: addsSpecialTokens)
    } else if fields.value("messages") != nil {
      try fields.refuseUnsupportedChat()
      tokens = try fields.conversation(model)
    } else {
      throw fields.invalid("prompt", "or `messages` is required")
    }
    let showsText = try fields.bool("return_token_strs") ?? false
    try fields.finish()
    return [
      "count": .integer(tokens.count),
      "max_model_len": .integer(model.contextLength),
      "tokens": .tokens(tokens),
      "token_strs": showsText
        ? .array(tokens.map { .string(tokenizer.spelling(of: $0) ?? "") }) : .null,
    ]
  }

  /// Tokens to text, special ones included.
  package func detokenize(_ body: JSONValue) throws(APIError) -> JSONValue {
    var translator = try RequestTranslator(body, model: model)
    let tokenizer = try tokenizer()
    guard let values = try translator.fields.array("tokens", limit: APILimits.detokenizedTokens)
    else { throw translator.fields.invalid("tokens", "is required") }
    var tokens: [Int32] = []
    for value in values { tokens.append(try translator.token(value, in: "tokens")) }
    try translator.fields.finish()
    return ["prompt": .string(tokenizer.decode(tokens, skipSpecialTokens: false))]
  }

  private func tokenizer() throws(APIError) -> Tokenizer {
    guard let tokenizer = model.tokenizer else {
      throw .invalid(nil, "This model has no tokenizer.")
    }
    return tokenizer
  }
}
