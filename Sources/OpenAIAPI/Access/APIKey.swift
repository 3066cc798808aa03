// API keys as the server holds them: hashes with names, never the keys themselves.

import HTTP

/// A key that may come in.
public struct APIKey: Sendable, Equatable {
  /// What logs and messages call it: never the key.
  public let name: String
  /// Its own limits; those it leaves open are everybody's.
  public let limits: ClientLimits
  /// SHA-256 of the key.
  package let digest: [UInt8]

  /// - Parameter name: nil names it by the beginning of its hash.
  init(_ key: some Collection<UInt8>, name: String? = nil, limits: ClientLimits = .init()) {
    digest = SHA256.digest(key)
    self.name = name ?? "key-" + digest.prefix(4).map(Self.hexadecimal).joined()
    self.limits = limits
  }

  private static func hexadecimal(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }

  /// A number for the engine's queue: the same after every start and reload.
  package var client: Int { ClientNumber.of(digest: digest) }
}

/// Numbers of clients, from hashes that nobody can choose to collide.
enum ClientNumber {
  static func of(digest: [UInt8]) -> Int {
    Int(truncatingIfNeeded: digest.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
  }
}

/// All keys that may come in.
public struct APIKeys: Sendable, Equatable {
  /// At most `APILimits.apiKeys`, each once.
  public let keys: [APIKey]

  /// No keys: everybody may come in.
  public init() { keys = [] }

  init(_ keys: [APIKey]) { self.keys = keys }

  /// Whether nobody needs a key.
  public var isEmpty: Bool { keys.isEmpty }

  /// The key that a client presents; nil when it is none of these. Takes as long for every text of
  /// one length: all keys are compared, and each in all bytes of its hash.
  package func find(_ presented: some Collection<UInt8>) -> APIKey? {
    let digest = SHA256.digest(presented)
    var found = -1
    for index in keys.indices {
      // All ones where the hashes are equal, else zero.
      let mask = Self.equalityMask(keys[index].digest, digest)
      found = (mask & index) | (~mask & found)
    }
    return found < 0 ? nil : keys[found]
  }

  /// -1 for equal hashes, 0 for others, without a branch on either.
  package static func equalityMask(_ one: [UInt8], _ other: [UInt8]) -> Int {
    precondition(one.count == other.count, "hashes of one kind")
    var difference: UInt8 = 0
    for index in one.indices { difference |= one[index] ^ other[index] }
    return (Int(difference) - 1) >> 8
  }
}
