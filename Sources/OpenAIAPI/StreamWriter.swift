// The two ways to give an answer: piece by piece as server-sent events, or whole.

import HTTP
import JSON

/// Writes one answer to its client. Used on the connection's queue alone.
struct StreamWriter {
  let request: TranslatedRequest
  let format: any AnswerFormat
  let header: AnswerHeader
  let responder: Responder
  private var usage: Usage
  /// Whether each choice has been announced.
  private var hasBegun: [Bool]
  /// Whole answers so far; unused when streaming.
  private var whole: [ChoiceDelta]

  init(
    _ request: TranslatedRequest, format: any AnswerFormat, header: AnswerHeader,
    responder: Responder
  ) {
    self.request = request
    self.format = format
    self.header = header
    self.responder = responder
    usage = Usage(request)
    hasBegun = Array(repeating: false, count: request.choiceCount)
    whole = Array(repeating: ChoiceDelta(), count: request.stream == nil ? request.choiceCount : 0)
  }

  /// Whether another piece is welcome. A whole answer is no burden before its end.
  var hasRoom: Bool { request.stream == nil || responder.hasRoom }

  /// Begins the answer.
  mutating func begin() {
    guard request.stream != nil else { return }
    responder.startStream(
      status: 200,
      headers: ["Content-Type": ServerSentEvents.contentType, "Cache-Control": "no-cache"],
      filler: ServerSentEvents.comment("keep-alive"))
  }

  /// Announces a choice where the endpoint does so, before its first text.
  mutating func announce(choice: Int) {
    guard request.stream != nil, format.announcesChoices, !hasBegun[choice] else { return }
    sendChunk(ChoiceDelta(), choice: choice)
  }

  /// Adds what a choice has newly to say.
  mutating func add(_ delta: ChoiceDelta, choice: Int) {
    usage.add(delta, choice: choice)
    guard request.stream != nil else {
      whole[choice].append(delta)
      return
    }
    let showsTokens = request.output.tokenIDs && !delta.tokens.isEmpty
    if !delta.text.isEmpty || !delta.entries.isEmpty || delta.end != nil || showsTokens {
      sendChunk(delta, choice: choice)
    }
  }

  private mutating func sendChunk(_ delta: ChoiceDelta, choice: Int) {
    let isFirst = !hasBegun[choice]
    let isVeryFirst = !hasBegun.contains(true)
    hasBegun[choice] = true
    let choices = format.chunk(
      delta, choice: choice, prompt: request.prompt(ofChoice: choice), isFirst: isFirst)
    send(choices: [choices], extras: isVeryFirst ? format.extras(request.prompts) : JSONObject())
  }

  private func send(choices: [JSONValue], extras: JSONObject, usage: JSONValue? = nil) {
    var sent = usage
    if request.stream?.includesContinuousUsage == true {
      sent = self.usage.json
    } else if request.stream?.includesUsage == true, usage == nil {
      // As the API has it: null in all chunks but the last.
      sent = .null
    }
    let object = header.object(format.chunkKind, choices: choices, usage: sent, extras: extras)
    responder.write(ServerSentEvents.event(data: object.serialized()))
  }

  /// Ends the answer.
  func finish() {
    guard let stream = request.stream else {
      responder.send(Response(json: wholeAnswer))
      return
    }
    if stream.includesUsage {
      send(choices: [], extras: JSONObject(), usage: usage.json)
    }
    responder.write(ServerSentEvents.event(data: Array("[DONE]".utf8)))
    responder.finish()
  }

  private var wholeAnswer: JSONValue {
    let choices = whole.enumerated().map { index, delta in
      format.whole(delta, choice: index, prompt: request.prompt(ofChoice: index))
    }
    return header.object(
      format.wholeKind, choices: choices, usage: usage.json, extras: format.extras(request.prompts))
  }
}
