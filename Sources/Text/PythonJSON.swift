// JSON as Python's json.dumps(value, ensure_ascii=False) writes it, which is what `tojson` means in
// the chat templates that transformers renders. It differs from the compact form of the JSON target
// in the spaces after `,` and `:` and in two escapes; numbers look the same in both.

import JSON

enum PythonJSON {
  static func text(_ value: JSONValue) -> String {
    switch value {
    case .string(let string): return quoted(string)
    case .array(let elements): return "[" + elements.map(text).joined(separator: ", ") + "]"
    case .object(let object):
      let members = object.members.map { quoted($0) + ": " + text($1) }
      return "{" + members.joined(separator: ", ") + "}"
    default: return value.text
    }
  }

  private static func quoted(_ string: String) -> String {
    var output = "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": output += "\\\""
      case "\\": output += "\\\\"
      case "\n": output += "\\n"
      case "\r": output += "\\r"
      case "\t": output += "\\t"
      case "\u{8}": output += "\\b"
      case "\u{C}": output += "\\f"
      case "\0"..<" ":
        output += (scalar.value < 16 ? "\\u000" : "\\u00") + String(scalar.value, radix: 16)
      default: output.unicodeScalars.append(scalar)
      }
    }
    return output + "\""
  }
}
