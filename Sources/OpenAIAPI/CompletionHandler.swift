// `POST /v1/completions`: translate the body, then hand over to a session.

import HTTP
import JSON

struct CompletionHandler {
  let model: ServedModel

  func handle(
    _ body: JSONValue, _ responder: Responder, _ admission: Admission
  ) throws(APIError) {
    var translator = try RequestTranslator(body, model: model)
    let request = try translator.completion()
    try admission.reserve(for: request, responder)
    let tokens = TokenText(tokenizer: model.tokenizer, asIDs: request.output.tokensAsIDs)
    let session = GenerationSession(
      request, model: model, format: CompletionFormat(output: request.output, tokens: tokens),
      header: AnswerHeader(idPrefix: "cmpl", model: model), responder: responder,
      admission: admission)
    try session.start(promptParam: "prompt")
  }
}
