// What a client sees when something is wrong, and what the engine sees of clients that leave or
// read slowly.

import Dispatch
import Glibc
import HTTP
import JSON
import OpenAIAPI
import Serving
import Synchronization
import Testing

@Suite("Errors, disconnects and slow readers", .timeLimit(.minutes(5)))
struct ErrorAndFlowTests {
  private static let prompt: JSONValue = ["prompt": [97], "temperature": 0, "max_tokens": 2]

  @Test("errors have OpenAI's shape and the right status")
  func errors() throws {
    let server = try TestServer(try TestService().model)
    func check(_ answer: APIAnswer, _ status: Int, _ type: String, code: JSONValue) {
      #expect(answer.status == status)
      #expect(answer.error["type"] == .string(type))
      #expect(answer.error["code"] == code)
      #expect(answer.error["message"]?.stringValue?.isEmpty == false)
      #expect(answer.error.objectValue?.keys == ["message", "type", "param", "code"])
    }
    let invalid = "invalid_request_error"
    let path = "/v1/completions"
    let broken = try server.exchange("POST", path, body: Array("{\"a\": tru}".utf8))
    check(broken, 400, invalid, code: "invalid_json")
    #expect(broken.error["message"]?.stringValue?.contains("at byte") == true)
    check(try server.post(path, []), 400, invalid, code: nil)
    check(try server.post(path, ["prompt": "x", "y": 1]), 400, invalid, code: "unknown_parameter")
    check(try server.post(path, ["model": "other"]), 404, invalid, code: "model_not_found")
    check(try server.get("/v1/models/other"), 404, invalid, code: "model_not_found")
    check(try server.get("/nowhere"), 404, invalid, code: "not_found")
    let method = try server.get(path)
    check(method, 405, invalid, code: "method_not_allowed")
    #expect(method.head.contains("\r\nAllow: POST"))
    let type = try server.exchange("POST", path, body: [0x7B, 0x7D], type: "text/plain")
    check(type, 415, invalid, code: "unsupported_media_type")
    for (coding, status, code) in [
      ("br", 415, "unsupported_content_encoding"), ("gzip", 400, "invalid_content_encoding"),
    ] as [(String, Int, JSONValue)] {
      let packed = try server.exchange(
        "POST", path, body: [0x1F, 0x8B], type: "application/json\r\nContent-Encoding: \(coding)")
      check(packed, status, invalid, code: code)
      #expect(packed.head.contains("\r\nAccept-Encoding: gzip\r\n") == (status == 415))
    }
    let deep = Array((String(repeating: "[", count: 100)).utf8)
    check(try server.exchange("POST", path, body: deep), 400, invalid, code: "invalid_json")
  }

  @Test("the HTTP layer's own refusals look the same")
  func errorFormat() throws {
    var limits = HTTPLimits()
    limits.bodyBytes = 10
    let server = try TestServer(try TestService().model, limits: limits)
    let answer = try server.post("/v1/completions", ["prompt": "too long for this"])
    #expect(answer.status == 413)
    #expect(answer.error["type"] == "invalid_request_error")
  }

  @Test("a full queue answers 429")
  func queueFull() throws {
    let service = try TestService(queueLength: 2)
    let server = try TestServer(service.model)
    service.alphabet.isHeld.store(true, ordering: .relaxed)
    let answers = Mutex<[APIAnswer]>([])
    let finished = DispatchGroup()
    for index in 0..<8 {
      DispatchQueue.global().async(group: finished) {
        guard let answer = try? server.post("/v1/completions", Self.prompt) else { return }
        answers.withLock { $0.append(answer) }
      }
      // The first request stops the engine in its first step; two of the others may wait.
      if index == 0 { while service.model.engine.stepAge == nil { usleep(1000) } }
    }
    while answers.withLock({ $0.count }) < 5 { usleep(1000) }
    let several = try server.post("/v1/completions", Self.prompt.merging(["n": 2]))
    #expect(several.status == 429)
    service.alphabet.isHeld.store(false, ordering: .relaxed)
    finished.wait()
    let (all, refused) = answers.withLock { ($0, $0.filter { $0.status == 429 }) }
    #expect(refused.count == 5)
    for answer in refused {
      #expect(answer.error["code"] == "rate_limit_exceeded")
      #expect(answer.error["type"] == "rate_limit_error")
      let seconds = answer.head.firstMatch(of: /Retry-After: ([0-9]+)\r\n/).flatMap { Int($0.1) }
      #expect(seconds.map((1...60).contains) == true)
    }
    let texts = all.filter { $0.status == 200 }.map { $0.json.at("choices.0.text") }
    #expect(texts == ["bc", "bc", "bc"])
  }

  @Test("a prompt that can never fit is refused before it is queued")
  func neverFits() throws {
    let service = try TestService()
    let server = try TestServer(service.model)
    let tokens = JSONValue.array(Array(repeating: 97, count: TestService.contextLength))
    let long = String(repeating: "x", count: TestService.contextLength)
    for (path, body) in [
      ("/v1/completions", ["prompt": tokens]), ("/v1/completions", ["prompt": [[97], tokens]]),
      ("/v1/chat/completions", ["messages": [["role": "user", "content": .string(long)]]]),
    ] as [(String, JSONValue)] {
      let answer = try server.post(path, body)
      #expect(answer.status == 400)
      #expect(answer.error["code"] == "context_length_exceeded")
      #expect(answer.error["type"] == "invalid_request_error")
    }
    #expect(service.alphabet.computed.load(ordering: .relaxed) == 0)
  }

  @Test("a client that goes away stops its request", arguments: [true, false])
  func disconnect(streams: Bool) throws {
    let service = try TestService()
    let server = try TestServer(service.model)
    service.alphabet.isHeld.store(true, ordering: .relaxed)
    var connection: APIConnection? = try APIConnection(port: server.port)
    let body = Self.prompt.merging([
      "max_tokens": 250, "ignore_eos": true, "stream": .bool(streams),
    ])
    try connection?.send(
      "POST", "/v1/completions", body: body.serialized(), type: "application/json")
    while service.model.engine.stepAge == nil { usleep(1000) }
    withExtendedLifetime(connection) {}
    connection = nil
    while server.statistics.openConnections > 0 { usleep(1000) }
    service.alphabet.isHeld.store(false, ordering: .relaxed)
    while service.model.engine.stepAge != nil { usleep(1000) }
    #expect(service.alphabet.computed.load(ordering: .relaxed) < 250)
  }

  @Test("a slow reader gets everything in the end")
  func slowReader() throws {
    var limits = HTTPLimits()
    limits.highWaterBytes = 2048
    limits.writeBufferBytes = 64 << 10
    let server = try TestServer(try TestService().model, limits: limits)
    let body = Self.prompt.merging([
      "max_tokens": 250, "ignore_eos": true, "stream": true, "logprobs": 20, "n": 16,
    ])
    let connection = try APIConnection(port: server.port)
    try connection.send(
      "POST", "/v1/completions", body: body.serialized(), type: "application/json")
    let answer = APIAnswer(try connection.readToEnd())
    #expect(answer.eventData.last == "[DONE]")
    let texts = answer.chunks.compactMap { $0.at("choices.0.text")?.stringValue }
    #expect(texts.joined().utf8.count > 16 * 230)
  }
}
