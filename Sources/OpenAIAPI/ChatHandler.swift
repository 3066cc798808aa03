// `POST /v1/chat/completions`: translate the body, then hand over to a session.

import HTTP
import JSON

struct ChatHandler {
  let model: ServedModel

  func handle(_ body: JSONValue, _ responder: Responder) throws(APIError) {
    var translator = try RequestTranslator(body, model: model)
    let request = try translator.chat()
    let tokens = TokenText(tokenizer: model.tokenizer, asIDs: request.output.tokensAsIDs)
    let session = GenerationSession(
      request, model: model, format: ChatAnswerFormat(output: request.output, tokens: tokens),
      header: AnswerHeader(idPrefix: "chatcmpl", model: model), responder: responder)
    try session.start(promptParam: "messages")
  }
}
