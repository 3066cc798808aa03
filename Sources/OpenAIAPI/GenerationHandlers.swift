// The two endpoints that generate: translate the body, then hand over to a session.

import Glibc
import HTTP
import JSON

/// `POST /v1/chat/completions`.
struct ChatHandler {
  let model: ServedModel

  func handle(_ body: JSONValue, _ responder: Responder) throws(APIError) {
    var translator = try RequestTranslator(body, model: model)
    let request = try translator.chat()
    let tokens = TokenText(tokenizer: model.tokenizer, asIDs: request.output.tokensAsIDs)
    try start(
      request, model, ChatAnswerFormat(output: request.output, tokens: tokens),
      idPrefix: "chatcmpl",
      promptParam: "messages", responder)
  }
}

/// `POST /v1/completions`.
struct CompletionHandler {
  let model: ServedModel

  func handle(_ body: JSONValue, _ responder: Responder) throws(APIError) {
    var translator = try RequestTranslator(body, model: model)
    let request = try translator.completion()
    let tokens = TokenText(tokenizer: model.tokenizer, asIDs: request.output.tokensAsIDs)
    try start(
      request, model, CompletionFormat(output: request.output, tokens: tokens), idPrefix: "cmpl",
      promptParam: "prompt", responder)
  }
}

private func start(
  _ request: TranslatedRequest, _ model: ServedModel, _ format: any AnswerFormat,
  idPrefix: String, promptParam: String, _ responder: Responder
) throws(APIError) {
  let number = UInt128.random(in: .min ... .max)
  let header = AnswerHeader(
    id: "\(idPrefix)-\(String(number, radix: 16))", created: time(nil), model: model)
  let session = GenerationSession(
    request, model: model, format: format, header: header, responder: responder)
  do {
    try session.start()
  } catch {
    throw APIError(error, param: promptParam)
  }
}
