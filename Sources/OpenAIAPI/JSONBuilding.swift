// Shorthands for writing answers.

import HTTP
import JSON

extension JSONValue {
  static func optional(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }

  static func tokens(_ tokens: [Int32]) -> JSONValue { .array(tokens.map { .integer(Int($0)) }) }

  static func object(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
    var object = JSONObject()
    for (key, value) in members { object[key] = value }
    return .object(object)
  }

  /// A log-probability within what JSON can express.
  static func logprob(_ value: Double) -> JSONValue {
    .double(value.isFinite ? max(value, APILimits.lowestLogprob) : APILimits.lowestLogprob)
  }
}

extension Response {
  init(json: JSONValue, status: Int = 200) {
    self.init(status: status, contentType: "application/json", body: json.serialized())
  }
}
