// The served model as `GET /v1/models` lists it.

import JSON

struct ModelCard {
  let model: ServedModel
  /// Seconds since 1970.
  let created: Int

  /// OpenAI's members and vLLM's `max_model_len`.
  var json: JSONValue {
    [
      "id": .string(model.name), "object": "model", "created": .integer(created),
      "owned_by": "hadal", "max_model_len": .integer(model.contextLength),
    ]
  }

  var list: JSONValue { ["object": "list", "data": [json]] }

  /// The card of the model whose name, perhaps percent-encoded, ends a path.
  func json(path: Substring) throws(APIError) -> JSONValue {
    let name = Self.percentDecoded(path)
    guard name == model.name else { throw .modelNotFound(name) }
    return json
  }

  /// RFC 3986, section 2.1; what is no escape stands for itself.
  private static func percentDecoded(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), rest.count >= 2,
        let high = hexDigit(rest[rest.startIndex]),
        let low = hexDigit(rest[rest.index(after: rest.startIndex)])
      {
        bytes.append(high << 4 | low)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
