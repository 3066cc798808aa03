// Which names of this server a request may use. Pure.

/// A page from elsewhere can have its own name point to this machine and then reach, as if it were
/// this server's own page, what listens on loopback (DNS rebinding). Its requests carry that name
/// as Host. It needs a public name for that, and these have a dot: numeric addresses and names like
/// `localhost` or `server1` are safe.
public enum AllowedHosts: Sendable, Equatable {
  /// Every name; for servers that are meant for others.
  case any
  /// What no page from elsewhere can claim: addresses, names without a dot, and those in the local
  /// domains. For servers on loopback, which otherwise need no defence.
  case local
  /// These names, in lower case and without port; `*.example.com` stands for all names under it.
  case names([String])

  /// - Parameter host: the Host header (RFC 9110, section 7.2); nil where HTTP/1.0 leaves it out,
  ///   which browsers never do.
  package func allows(_ host: String?) -> Bool {
    guard let host else { return self == .any || self == .local }
    let name = Self.name(host)
    switch self {
    case .any: return true
    case .local: return Self.isLocal(name)
    case .names(let names):
      return names.contains { allowed in
        allowed.hasPrefix("*.") ? name.hasSuffix(allowed.dropFirst()) : name == allowed
      }
    }
  }

  /// The host without port and final dot, in lower case.
  private static func name(_ host: String) -> String {
    var name = host.lowercased()[...]
    if name.hasPrefix("[") {
      name = name.prefix { $0 != "]" } + (name.contains("]") ? "]" : "")
    } else {
      name = name.prefix { $0 != ":" }
    }
    return String(name.hasSuffix(".") ? name.dropLast() : name)
  }

  private static func isLocal(_ name: String) -> Bool {
    if name.hasPrefix("[") || !name.contains(".") { return true }
    if localDomains.contains(where: name.hasSuffix) { return true }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
  }

  /// Not delegated in the public DNS: RFC 6761, RFC 6762, and what ICANN keeps for private use.
  private static let localDomains = [".localhost", ".local", ".internal"]
}
