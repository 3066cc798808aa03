// `POST /v1/chat/completions`: translate the body, then hand over to a session.

import HTTP
import JSON

struct ChatHandler {
  let model: ServedModel

  func handle(
    _ body: JSONValue, _ responder: Responder, _ admission: Admission
  ) throws(APIError) {
    var translator = try RequestTranslator(body, model: model)
    let request = try translator.chat()
    try admission.reserve(for: request, responder)
    let tokens = TokenText(tokenizer: model.tokenizer, asIDs: request.output.tokensAsIDs)
    let session = GenerationSession(
      request, model: model, format: ChatAnswerFormat(output: request.output, tokens: tokens),
      header: AnswerHeader(idPrefix: "chatcmpl", model: model), responder: responder,
      admission: admission)
    try session.start(promptParam: "messages")
  }
}
