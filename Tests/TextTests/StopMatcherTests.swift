// Stop strings found in streamed text, however it is cut.

import TestSupport
import Testing
import Text

@Suite("Stop strings")
struct StopMatcherTests {
  private func run(
    _ pieces: [String], _ stops: [String], include: Bool = false
  ) -> (text: String, stopped: Bool) {
    var matcher = StopMatcher(stops: stops, includeStop: include)
    var text = ""
    for piece in pieces {
      let (released, stopped) = matcher.append(piece)
      text += released
      if stopped { return (text, true) }
    }
    return (text + matcher.finish(), false)
  }

  @Test("holds back only what may begin a stop string")
  func holdsBack() {
    var matcher = StopMatcher(stops: ["\n\nUser", "END"], includeStop: false)
    #expect(matcher.append("a\n") == ("a", false))
    #expect(matcher.append("b\n\nUs") == ("\nb", false))
    #expect(matcher.append("e E") == ("\n\nUse ", false))
    #expect(matcher.append("NDless") == ("", true))
    #expect(matcher.append("more") == ("", true))
    #expect(matcher.finish() == "")
  }

  @Test("includes the stop string on request, of two that end together the longer")
  func includes() {
    #expect(run(["say st", "op now"], ["stop", "op"], include: true) == ("say stop", true))
    #expect(run(["say st", "op now"], ["op", "stop"]) == ("say ", true))
    #expect(run(["abc"], [""]) == ("abc", false))
    #expect(run(["e\u{301}"], ["\u{E9}"]) == ("e\u{301}", false))
  }

  /// The definition: the shortest prefix of the text that ends with a stop string ends the text.
  private func definition(_ text: String, _ stops: [String]) -> (text: String, stopped: Bool) {
    let bytes = Array(text.utf8)
    for end in 0...bytes.count {
      let ending = stops.map { Array($0.utf8) }.filter {
        bytes[..<end].reversed().starts(
          with: $0.reversed())
      }
      if let length = ending.map(\.count).max() {
        return (String(decoding: bytes[..<(end - length)], as: UTF8.self), true)
      }
    }
    return (text, false)
  }

  @Test("cutting the text differently never changes the result")
  func pieces() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    func string(_ length: ClosedRange<Int>) -> String {
      String(
        (0..<Int.random(in: length, using: &random)).map { _ in
          "aabbé東".randomElement(using: &random)!
        })
    }
    for _ in 0..<3000 {
      let stops = (0..<Int.random(in: 1...3, using: &random)).map { _ in string(1...5) }
      let pieces = (0..<8).map { _ in string(0...4) }
      let expected = definition(pieces.joined(), stops)
      #expect(run(pieces, stops) == expected, "seed \(seed): \(pieces) \(stops)")
    }
  }
}
