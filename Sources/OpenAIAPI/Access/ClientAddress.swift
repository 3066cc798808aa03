// The client behind an address: what limits count where there are no keys. Pure.

package enum ClientAddress {
  /// What one client is known by: an IPv4 address, or the first 64 bits of an IPv6 address, for
  /// whoever has one such network has all addresses in it (RFC 4291, section 2.5.4).
  /// - Parameter peer: `192.0.2.1:80`, `[2001:db8::1]:80`; anything else is taken as it is.
  package static func group(_ peer: String) -> String {
    guard let colon = peer.utf8.lastIndex(of: UInt8(ascii: ":")) else { return peer }
    let host = peer[..<colon]
    guard host.hasPrefix("["), host.hasSuffix("]") else { return String(host) }
    let address = host.dropFirst().dropLast().prefix { $0 != "%" }
    // An IPv4 client of a socket for both families: `::ffff:192.0.2.1`.
    if address.contains(".") {
      return String(address.split(separator: ":").last ?? address)
    }
    return network(of: address).joined(separator: ":")
  }

  /// The first four of eight groups, where `::` stands for as many zeros as are missing.
  private static func network(of address: Substring) -> [Substring] {
    let groups = address.split(separator: ":", omittingEmptySubsequences: false)
    guard let gap = groups.firstIndex(of: "") else { return Array(groups.prefix(4)) }
    let head = groups[..<gap]
    let tail = groups[gap...].filter { !$0.isEmpty }
    let zeros = [Substring](repeating: "0", count: max(0, 8 - head.count - tail.count))
    return Array((head + zeros + tail).prefix(4))
  }
}
