// The parser and writer against RFC 8259.

import JSON
import Testing

@Suite("JSON")
struct JSONTests {
  private func parse(_ text: String, depth: Int = 64) throws -> JSONValue {
    try JSONValue(parsing: Array(text.utf8), limits: JSONLimits(bytes: 1 << 20, depth: depth))
  }

  @Test("keeps order, integers and escapes")
  func roundTrip() throws {
    let text = #"{"z":1,"a":[true,false,null,-2.5,1e3],"s":"q\"\\\n\u00e9\ud83d\ude00"}"#
    let value = try parse(text)
    #expect(value["z"] == .integer(1))
    #expect(value["s"]?.stringValue == "q\"\\\né😀")
    #expect(value.text == #"{"z":1,"a":[true,false,null,-2.5,1000.0],"s":"q\"\\\né😀"}"#)
    #expect(try parse(value.text) == value)
  }

  @Test("keys are compared code point by code point, in small and large objects")
  func equivalentKeys() throws {
    let filler = (0..<40).map { "\"k\($0)\":0" }.joined(separator: ",")
    for start in ["{", "{\(filler),"] {
      let value = try parse(start + "\"\u{E9}\":1,\"e\u{301}\":2}")
      #expect(value["\u{E9}"] == 1)
      #expect(value["e\u{301}"] == 2)
      #expect(throws: JSONError.self) { try parse(start + "\"\u{E9}\":1,\"\u{E9}\":2}") }
    }
  }

  @Test("integers beyond 64 bits become doubles, exact whole doubles count as integers")
  func numbers() throws {
    #expect(try parse("9223372036854775807") == .integer(.max))
    #expect(try parse("9223372036854775808") == .double(9_223_372_036_854_775_808))
    #expect(try parse("4.0").integerValue == 4)
    #expect(try parse("4.5").integerValue == nil)
    #expect(try parse("1e300").integerValue == nil)
  }

  @Test(
    "refuses what RFC 8259 does not allow",
    arguments: [
      "", " ", "nul", "NaN", "Infinity", "-", "01", "1.", ".5", "1e", "1e999", "+1", "[1,]", "[",
      "{", "{\"a\"}", "{\"a\":1,}", "{a:1}", "\"\u{1}\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"",
      "\"\\udc00\"", "\"\\ud800\\u0041\"", "1 2", "\u{FEFF}1", "{\"a\":1,\"a\":2}", "\"", "'a'",
      "[1 2]", "// c\n1",
    ])
  func malformed(_ text: String) {
    #expect(throws: JSONError.self) { try parse(text) }
  }

  @Test("refuses bytes that are not UTF-8")
  func notUnicode() {
    for bytes: [UInt8] in [
      [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0x5C, 0x6E, 0xED, 0xA0, 0x80, 0x22],
    ] {
      #expect(throws: JSONError.self) { try JSONValue(parsing: bytes) }
    }
  }

  @Test("depth and size are limited")
  func limits() throws {
    let nested = String(repeating: "[", count: 5) + String(repeating: "]", count: 5)
    #expect(throws: Never.self) { try parse(nested, depth: 5) }
    #expect(throws: JSONError.self) { try parse(nested, depth: 4) }
    #expect(throws: JSONError.self) { try parse(String(repeating: "[", count: 100_000)) }
    #expect(throws: JSONError.self) {
      try JSONValue(parsing: Array("12345".utf8), limits: JSONLimits(bytes: 4))
    }
  }

  @Test("large objects find their members")
  func largeObject() throws {
    var object = JSONObject()
    for number in 0..<1000 { object["key\(number)"] = .integer(number) }
    object["key500"] = .null
    let value = try parse(JSONValue.object(object).text)
    #expect(value["key999"] == .integer(999))
    #expect(value["key500"] == .null)
    #expect(value["absent"] == nil)
    #expect(value.objectValue?.count == 1000)
  }
}
