// A connection's protocol, with its bytes split everywhere.

import Foundation
import HTTP
import Testing

@Suite("Connection")
struct ConnectionTests {
  private static let get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"

  private func driver(_ limits: HTTPLimits = HTTPLimits()) -> ConnectionDriver {
    ConnectionDriver(limits: limits, answer: { _ in nil })
  }

  @Test("an answer, byte for byte")
  func answer() {
    var driver = driver()
    driver.feed(Self.get)
    #expect(driver.transcript.output.isEmpty)
    driver.perform(
      driver.connection.respond(
        Response(status: 404, headers: ["X": "a\r\nY: b"], body: Array("no".utf8))))
    #expect(
      driver.transcript.text
        == "HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nX: a  Y: b\r\n"
        + "Content-Length: 2\r\n\r\nno")
    #expect(!driver.transcript.isShutDown)
  }

  @Test(
    "dates over centuries",
    arguments: [
      (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
      (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
      (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
      (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
      (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
    ])
  func dates(time: Int, text: String) {
    var connection = Connection(
      limits: HTTPLimits(), errorFormat: .plainText, peer: "", time: { time })
    _ = connection.receive(Array(Self.get.utf8))
    guard case .send(let bytes) = connection.respond(Response(status: 200)).first else {
      Issue.record("no answer")
      return
    }
    #expect(String(decoding: bytes, as: UTF8.self).contains("\r\nDate: \(text)\r\n"))
  }

  @Test("a stream in chunks, and the next request after it")
  func stream() throws {
    var driver = driver()
    driver.feed(Self.get + "GET /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /c")
    #expect(driver.transcript.requests.map(\.path) == ["/a"])
    driver.perform(driver.connection.startStream(status: 200, headers: ["A": "b"]))
    driver.perform(driver.connection.write(Array("0123456789abcdef".utf8)))
    driver.perform(driver.connection.write([]))
    driver.perform(driver.connection.write([0x21]))
    driver.perform(driver.connection.finish())
    #expect(
      driver.transcript.text.hasSuffix(
        "\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n"
          + "10\r\n0123456789abcdef\r\n1\r\n!\r\n0\r\n\r\n"
      ))
    #expect(driver.transcript.requests.map(\.path) == ["/a", "/b"])
    driver.perform(driver.connection.respond(Response(status: 204)))
    #expect(driver.transcript.text.hasSuffix("GMT\r\nConnection: close\r\n\r\n"))
    #expect(driver.transcript.isShutDown && !driver.transcript.isClosed)
    driver.feed("late bytes")
    driver.perform(driver.connection.receiveEnd())
    #expect(driver.transcript.isClosed)
    #expect(driver.transcript.requests.count == 2)
  }

  @Test("HEAD gets the header alone", arguments: [false, true])
  func head(isStream: Bool) {
    var driver = driver()
    driver.feed("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    if isStream {
      driver.perform(driver.connection.startStream(status: 200, headers: [:]))
      driver.perform(driver.connection.write([1, 2, 3]))
      driver.perform(driver.connection.finish())
      #expect(driver.transcript.text.hasSuffix("\r\nTransfer-Encoding: chunked\r\n\r\n"))
    } else {
      driver.perform(driver.connection.respond(Response(status: 200, body: [1, 2, 3])))
      #expect(driver.transcript.text.hasSuffix("\r\nContent-Length: 3\r\n\r\n"))
    }
    driver.feed(Self.get)
    #expect(driver.transcript.requests.count == 2)
  }

  @Test("HTTP/1.0 is kept on request only, and its streams end with the connection")
  func http10() {
    var kept = ConnectionDriver()
    kept.feed("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
    #expect(kept.transcript.text.contains("\r\nConnection: keep-alive\r\n"))
    #expect(!kept.transcript.isShutDown)
    kept.feed("GET / HTTP/1.0\r\n\r\n")
    #expect(kept.transcript.text.contains("\r\nConnection: close\r\n"))
    #expect(kept.transcript.isShutDown)

    var driver = driver()
    driver.feed("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    driver.perform(driver.connection.startStream(status: 200, headers: [:]))
    driver.perform(driver.connection.write(Array("abc".utf8)))
    driver.perform(driver.connection.finish())
    #expect(driver.transcript.text.hasSuffix("GMT\r\nConnection: close\r\n\r\nabc"))
    #expect(driver.transcript.isShutDown)
  }

  @Test("100 is sent when a body is awaited, once and before it")
  func continueExpected() {
    var driver = ConnectionDriver()
    driver.feed("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n")
    #expect(driver.transcript.text == "HTTP/1.1 100 Continue\r\n\r\n")
    driver.feed("a")
    driver.feed("b")
    #expect(driver.transcript.statuses == [100, 200])
    driver.feed("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n")
    driver.feed("POST / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n")
    driver.feed("Content-Length: 1\r\n\r\nx")
    #expect(driver.transcript.statuses == [100, 200, 200, 200])
  }

  @Test("a client that ends its side while its request runs is gone")
  func endWhileResponding() {
    var connection = driver().connection
    _ = connection.receive(Array(Self.get.utf8))
    #expect(connection.receiveEnd() == [.clientGone, .close])
    #expect(connection.respond(Response(status: 200)) == [])
    #expect(connection.startStream(status: 200, headers: [:]) == [])
    #expect(connection.write([1]) == [])
    #expect(connection.finish() == [])
    #expect(connection.abort() == [])
    #expect(!connection.wantsInput)
  }

  @Test("a complete answer is still sent to a client that ended its side")
  func endAfterAnswer() throws {
    var connection = driver().connection
    _ = connection.receive(Array(Self.get.utf8))
    let actions = connection.respond(Response(status: 200))
    guard case .send(let bytes) = actions.first else {
      Issue.record("no answer")
      return
    }
    #expect(connection.receiveEnd() == [])
    #expect(!connection.wantsInput)
    #expect(connection.didSend(bytes.count - 1) == [])
    #expect(connection.didSend(1) == [.close])
  }

  @Test("the write buffer: no room at the mark, room again at its half, given up at its limit")
  func backPressure() {
    var limits = HTTPLimits()
    limits.highWaterBytes = 1_000
    limits.writeBufferBytes = 2_000
    var connection = driver(limits).connection
    _ = connection.receive(Array(Self.get.utf8))
    var unsent = 0
    func sent(_ actions: [Connection.Action]) -> Int {
      actions.reduce(0) { if case .send(let bytes) = $1 { $0 + bytes.count } else { $0 } }
    }
    unsent += sent(connection.startStream(status: 200, headers: [:]))
    while connection.hasRoom { unsent += sent(connection.write([UInt8](repeating: 0, count: 90))) }
    #expect((1_000...1_095).contains(unsent))
    #expect(connection.didSend(unsent - 501) == [])
    #expect(!connection.hasRoom)
    #expect(connection.didSend(1) == [.roomAvailable])
    #expect(connection.hasRoom)
    unsent = 500 + sent(connection.write([UInt8](repeating: 0, count: 600)))
    while unsent <= 1_900 { unsent += sent(connection.write([UInt8](repeating: 0, count: 90))) }
    #expect(connection.write([UInt8](repeating: 0, count: 90)) == [.clientGone, .close])
  }

  @Test("bytes read ahead of a running request are bounded")
  func pipelineBound() {
    var limits = HTTPLimits()
    limits.pipelinedBytes = 100
    var driver = driver(limits)
    driver.feed(Self.get)
    #expect(driver.connection.wantsInput)
    driver.feed(Self.get + Self.get + Self.get)
    #expect(driver.connection.wantsInput)
    driver.feed(Self.get)
    #expect(!driver.connection.wantsInput)
    driver.perform(driver.connection.respond(Response(status: 200)))
    #expect(driver.connection.wantsInput)
    #expect(driver.transcript.requests.count == 2)
  }

  @Test("a dropped request is answered 500, a dropped stream is cut")
  func abandon() {
    var driver = driver()
    driver.feed(Self.get)
    driver.perform(driver.connection.abandon())
    #expect(driver.transcript.statuses == [500])
    driver.feed(Self.get)
    _ = driver.connection.startStream(status: 200, headers: [:])
    #expect(driver.connection.abandon() == [.clientGone, .close])
    #expect(driver.connection.abandon() == [])
  }

  @Test("what is waited for, and what happens when its time is over")
  func deadlines() {
    let parts: [(Connection.Wait?, String, [Int])] = [
      (.request, "", []), (.head, "G", [408]), (.head, "\r\n", [408]),
      (.head, "GET / HTTP/1.1\r\nHost: h\r\n\r", [408]),
      (.body, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nx", [408]),
      (.body, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", [408]),
      (nil, Self.get, []), (.linger, "bad\r\n", [400]),
    ]
    for (wait, bytes, statuses) in parts {
      var driver = driver()
      driver.feed(bytes)
      #expect(driver.connection.deadline?.wait == wait, "\(bytes.debugDescription)")
      driver.perform(driver.connection.timeOut())
      #expect(driver.transcript.statuses == statuses)
      #expect(driver.transcript.isClosed == (wait == .request || wait == .linger))
    }
  }

  @Test("time for sending begins anew when enough has left, or all")
  func sendDeadline() {
    var limits = HTTPLimits()
    limits.sendProgressBytes = 100
    var connection = driver(limits).connection
    _ = connection.receive(Array(Self.get.utf8))
    let actions = connection.respond(Response(status: 200, body: [UInt8](repeating: 0, count: 500)))
    guard case .send(let bytes) = actions.first else {
      Issue.record("no answer")
      return
    }
    let first = connection.deadline
    #expect(first?.wait == .send)
    for _ in 0..<99 { _ = connection.didSend(1) }
    #expect(connection.deadline == first, "a reader of single bytes gains no time")
    _ = connection.didSend(1)
    let second = connection.deadline
    #expect(second?.wait == .send && second != first)
    var whole = connection
    #expect(connection.timeOut() == [.close])
    _ = whole.didSend(bytes.count - 100)
    #expect(whole.deadline?.wait == .request)
  }

  @Test("a silent stream is filled, as often as it is silent, and an answer without filler is not")
  func silence() {
    var driver = driver()
    driver.feed(Self.get)
    driver.perform(
      driver.connection.startStream(status: 200, headers: [:], filler: Array(": x\n\n".utf8)))
    var deadlines = [driver.connection.deadline]
    for _ in 0..<2 {
      #expect(driver.connection.deadline?.wait == .silence)
      driver.perform(driver.connection.timeOut())
      deadlines.append(driver.connection.deadline)
    }
    driver.perform(driver.connection.write([0x21]))
    deadlines.append(driver.connection.deadline)
    #expect(zip(deadlines, deadlines.dropFirst()).allSatisfy { $0 != $1 }, "silence begins anew")
    let filled = "5\r\n: x\n\n\r\n"
    #expect(driver.transcript.text.hasSuffix("\r\n\r\n\(filled)\(filled)1\r\n!\r\n"))
    driver.perform(driver.connection.finish())
    #expect(driver.connection.deadline?.wait == .request)

    driver.feed("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    driver.perform(driver.connection.startStream(status: 200, headers: [:], filler: [1]))
    #expect(driver.connection.deadline == nil)
    driver.perform(driver.connection.finish())
    driver.feed(Self.get)
    driver.perform(driver.connection.startStream(status: 200, headers: [:]))
    #expect(driver.connection.deadline == nil)
  }

  @Test("the last request of a connection closes it, and what follows is dropped")
  func requestLimit() {
    var limits = HTTPLimits()
    limits.requestsPerConnection = 3
    let transcript = ConnectionDriver.run(
      String(repeating: Self.get, count: 5), limits: limits)
    #expect(transcript.statuses == [200, 200, 200])
    #expect(transcript.text.components(separatedBy: "Connection: close").count == 2)
    #expect(transcript.isShutDown && !transcript.isClosed)
  }

  @Test("a client that has filled its bound gets little time, anew for each request")
  func ahead() {
    var limits = HTTPLimits()
    limits.pipelinedBytes = 100
    var driver = driver(limits)
    driver.feed(Self.get)
    #expect(driver.connection.deadline == nil)
    driver.feed(String(repeating: Self.get, count: 5))
    let first = driver.connection.deadline
    #expect(first?.wait == .ahead)
    driver.perform(driver.connection.respond(Response(status: 200)))
    #expect(driver.connection.deadline?.wait == .ahead)
    #expect(driver.connection.deadline != first)
    #expect(driver.connection.timeOut() == [.clientGone, .close])
  }

  @Test("stopping closes idle connections at once, others after their answer")
  func stop() {
    var idle = ConnectionDriver()
    idle.feed(Self.get)
    idle.perform(idle.connection.stop())
    #expect(idle.transcript.isClosed)

    // The client of a new connection may have asked already.
    var new = ConnectionDriver()
    new.perform(new.connection.stop())
    #expect(!new.transcript.isClosed && new.connection.deadline?.wait == .linger)
    var silent = new
    silent.perform(silent.connection.timeOut())
    #expect(silent.transcript.isClosed)
    new.feed(Self.get + Self.get)
    #expect(new.transcript.statuses == [200])
    #expect(new.transcript.text.contains("\r\nConnection: close\r\n"))
    #expect(new.transcript.isShutDown)

    var running = driver()
    running.feed(Self.get + Self.get)
    running.perform(running.connection.stop())
    #expect(!running.transcript.isClosed)
    running.perform(running.connection.respond(Response(status: 200)))
    #expect(running.transcript.text.contains("\r\nConnection: close\r\n"))
    #expect(running.transcript.isShutDown)
    #expect(running.transcript.requests.count == 1)

    var half = driver()
    half.feed("GET /a HTTP/1.1\r\n")
    half.perform(half.connection.stop())
    half.feed("Host: h\r\n\r\n")
    half.perform(half.connection.respond(Response(status: 200)))
    #expect(half.transcript.statuses == [200])
    #expect(half.transcript.isShutDown)
  }

  @Test("a connection over the limit is refused")
  func refuse() {
    var driver = driver()
    driver.perform(driver.connection.refuse(status: 503, message: "too many connections"))
    driver.feed(Self.get)
    #expect(driver.transcript.statuses == [503])
    #expect(driver.transcript.requests.isEmpty)
    #expect(driver.transcript.isShutDown)
  }
}

@Suite("Server-sent events")
struct ServerSentEventsTests {
  @Test(
    "every line end starts a new data field (WHATWG HTML, 9.2.6)",
    arguments: [
      ("", "data: \n\n"), ("{}", "data: {}\n\n"), ("a\nb", "data: a\ndata: b\n\n"),
      ("a\r\nb\rc\n", "data: a\ndata: b\ndata: c\ndata: \n\n"),
      ("\n\r", "data: \ndata: \ndata: \n\n"),
    ])
  func data(text: String, wire: String) {
    #expect(ServerSentEvents.event(data: Array(text.utf8)) == Array(wire.utf8))
  }

  @Test("names and comments stay within their lines")
  func others() {
    #expect(
      ServerSentEvents.event(data: [0x31], name: "e\nf") == Array("event: e f\ndata: 1\n\n".utf8))
    #expect(ServerSentEvents.comment("a\nb") == Array(": a\n: b\n\n".utf8))
  }
}
