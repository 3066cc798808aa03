// API keys as operators write them: a file with one key a line, or a list in an option.

/// Why keys are not taken. Names the place, never a key.
public struct APIKeyError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Line of the file, or number in the list, from 1.
  public let place: String
  public let reason: String

  public var description: String { "\(place): \(reason)" }
}

extension APIKeys {
  /// Reads a key file: one key a line, `KEY` or `NAME:KEY`, followed by limits of its own such as
  /// `requests=60 tokens=100000 concurrent=4`. Blank lines and lines that begin with `#` do not
  /// count. A file without any key is refused: it would let everybody in.
  public init(file bytes: [UInt8]) throws(APIKeyError) {
    var keys: [APIKey] = []
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      let words = line.split { Self.isBlank($0) }
      guard let key = words.first, key.first != UInt8(ascii: "#") else { continue }
      try Self.add(key, options: words.dropFirst(), at: "line \(index + 1)", to: &keys)
    }
    guard !keys.isEmpty else { throw APIKeyError(place: "the file", reason: "has no key") }
    self.init(keys)
  }

  /// Keys from a list: each `KEY` or `NAME:KEY`, separated by commas, spaces or line ends.
  public init(list: [String]) throws(APIKeyError) {
    var keys: [APIKey] = []
    let words = list.flatMap { text in
      Array(text.utf8)[...].split { Self.isBlank($0) || [0x0A, UInt8(ascii: ",")].contains($0) }
    }
    for (index, word) in words.enumerated() {
      try Self.add(word, options: [], at: "key \(index + 1)", to: &keys)
    }
    self.init(keys)
  }

  /// These keys and others.
  public func adding(_ others: APIKeys) throws(APIKeyError) -> APIKeys {
    var keys = keys
    for key in others.keys { try Self.append(key, at: "key `\(key.name)`", to: &keys) }
    return APIKeys(keys)
  }

  private static func isBlank(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0D].contains(byte) }

  private static func add(
    _ word: ArraySlice<UInt8>, options: ArraySlice<ArraySlice<UInt8>>, at place: String,
    to keys: inout [APIKey]
  ) throws(APIKeyError) {
    let parts = word.split(
      separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
    let key = parts[parts.count - 1]
    guard (1...APILimits.apiKeyBytes).contains(key.count), key.allSatisfy(isKeyCharacter) else {
      throw APIKeyError(
        place: place,
        reason: "a key has 1 to \(APILimits.apiKeyBytes) letters, digits and -._~+/= (RFC 6750)")
    }
    var name: String?
    if parts.count == 2 {
      guard (1...APILimits.apiKeyNameBytes).contains(parts[0].count),
        parts[0].allSatisfy(isKeyCharacter)
      else {
        throw APIKeyError(
          place: place,
          reason: "a name has 1 to \(APILimits.apiKeyNameBytes) letters, digits and -._~+/=")
      }
      name = String(decoding: parts[0], as: UTF8.self)
    }
    let limits = try limits(options, at: place)
    try append(APIKey(key, name: name, limits: limits), at: place, to: &keys)
  }

  private static func append(
    _ key: APIKey, at place: String, to keys: inout [APIKey]
  ) throws(APIKeyError) {
    guard keys.count < APILimits.apiKeys else {
      throw APIKeyError(place: place, reason: "more than \(APILimits.apiKeys) keys")
    }
    guard !keys.contains(where: { $0.digest == key.digest }) else {
      throw APIKeyError(place: place, reason: "the key is given twice")
    }
    guard !keys.contains(where: { $0.name == key.name }) else {
      throw APIKeyError(place: place, reason: "the name `\(key.name)` is given twice")
    }
    keys.append(key)
  }

  /// RFC 6750, section 2.1: what may follow `Bearer`.
  private static func isKeyCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"):
      true
    default: "-._~+/=".utf8.contains(byte)
    }
  }

  private static func limits(
    _ options: ArraySlice<ArraySlice<UInt8>>, at place: String
  ) throws(APIKeyError) -> ClientLimits {
    var limits = ClientLimits()
    for option in options {
      let text = String(decoding: option, as: UTF8.self)
      let parts = text.split(separator: "=", maxSplits: 1)
      let field: WritableKeyPath<ClientLimits, Int?>? =
        switch parts.first {
        case "requests": \.requestsPerMinute
        case "tokens": \.tokensPerMinute
        case "concurrent": \.concurrentRequests
        default: nil
        }
      guard parts.count == 2, let field else {
        throw APIKeyError(
          place: place, reason: "behind a key stand requests=N, tokens=N or concurrent=N")
      }
      guard let value = Int(parts[1]), APILimits.rate.contains(value), limits[keyPath: field] == nil
      else {
        let range = "\(APILimits.rate.lowerBound) to \(APILimits.rate.upperBound)"
        throw APIKeyError(place: place, reason: "\(parts[0]) is once a number from \(range)")
      }
      limits[keyPath: field] = value
    }
    return limits
  }
}
