// The line before each chunk of a chunked body: `chunk-size [ chunk-ext ]` (RFC 9112, section 7.1).
// Readers that skip over what they take for an extension have been smuggled past: what is not one
// by the grammar is refused.

struct ChunkLine {
  /// The digits of the size, at least one, most significant first.
  let digits: ArraySlice<UInt8>
  /// What the extensions take; they mean nothing here.
  let extensionBytes: Int

  /// Nil when the line is malformed.
  init?(_ line: ArraySlice<UInt8>) {
    digits = line.prefix { $0.hexValue != nil }
    var rest = line[digits.endIndex...]
    extensionBytes = rest.count
    guard !digits.isEmpty else { return nil }
    while !rest.isEmpty {
      guard Self.dropExtension(&rest) else { return nil }
    }
  }

  /// The size in bytes; nil beyond `limit`.
  func size(upTo limit: Int) -> Int? {
    var size = 0
    for digit in digits {
      size = size << 4 | Int(digit.hexValue ?? 0)
      guard size <= limit else { return nil }
    }
    return size
  }

  /// `BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ]`, section 7.1.1.
  private static func dropExtension(_ text: inout ArraySlice<UInt8>) -> Bool {
    guard dropMark(UInt8(ascii: ";"), &text), dropToken(&text) else { return false }
    var value = text
    guard dropMark(UInt8(ascii: "="), &value) else { return true }
    text = value
    return text.first == UInt8(ascii: "\"") ? dropQuoted(&text) : dropToken(&text)
  }

  /// A mark with optional space around it.
  private static func dropMark(_ mark: UInt8, _ text: inout ArraySlice<UInt8>) -> Bool {
    let trimmed = text.drop(while: \.isOptionalSpace)
    guard trimmed.first == mark else { return false }
    text = trimmed.dropFirst().drop(while: \.isOptionalSpace)
    return true
  }

  private static func dropToken(_ text: inout ArraySlice<UInt8>) -> Bool {
    let rest = text.drop(while: \.isToken)
    guard rest.count < text.count else { return false }
    text = rest
    return true
  }

  /// `quoted-string` (RFC 9110, section 5.6.4).
  private static func dropQuoted(_ text: inout ArraySlice<UInt8>) -> Bool {
    var isEscaped = false
    for index in text.indices.dropFirst() {
      let byte = text[index]
      guard byte.isFieldValue else { return false }
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else if byte == UInt8(ascii: "\"") {
        text = text[(index + 1)...]
        return true
      }
    }
    return false
  }
}
