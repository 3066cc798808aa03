// Which content coding a client wants for an answer: Accept-Encoding (RFC 9110, section 12.5.3).

/// What a client says about gzip and about answers as they are.
package struct AcceptEncoding: Equatable {
  package enum Choice: Equatable {
    case identity
    case gzip
    /// Gzip, because the client refuses anything else that is at hand.
    case gzipOnly
  }

  package let choice: Choice

  /// Reads all Accept-Encoding lines; without one, or with one that makes no sense, an answer
  /// goes as it is. So it does to a client that refuses both: better than no answer.
  package init(_ headers: Headers) {
    var gzip: Int?
    var identity: Int?
    var others: Int?
    for member in headers.list("accept-encoding") {
      guard let (coding, weight) = Self.parse(member) else { continue }
      switch coding {
      case "gzip", "x-gzip": gzip = gzip ?? weight
      case "identity": identity = identity ?? weight
      case "*": others = others ?? weight
      default: break
      }
    }
    let gzipWeight = gzip ?? others ?? 0
    // Not named, identity is acceptable and wanted least.
    let identityWeight = identity ?? others ?? 1
    if gzipWeight == 0 {
      choice = .identity
    } else if identityWeight == 0 {
      choice = .gzipOnly
    } else {
      let isNamed = (identity ?? others) != nil
      choice = isNamed && identityWeight > gzipWeight ? .identity : .gzip
    }
  }

  /// `codings [ weight ]` with the weight in thousandths; nil for anything else.
  private static func parse(_ member: String) -> (coding: String, weight: Int)? {
    let parts = Array(member.utf8)[...].split(
      separator: UInt8(ascii: ";"), omittingEmptySubsequences: false
    ).map(\.trimmed)
    guard parts.count <= 2, !parts[0].isEmpty else { return nil }
    let coding = String(decoding: parts[0], as: UTF8.self)
    guard parts.count == 2 else { return (coding, 1000) }
    guard parts[1].starts(with: "q=".utf8), let weight = weight(parts[1].dropFirst(2)) else {
      return nil
    }
    return (coding, weight)
  }

  /// `qvalue` (RFC 9110, section 12.4.2) in thousandths: 0 to 1 with up to three decimals.
  private static func weight(_ text: ArraySlice<UInt8>) -> Int? {
    guard let whole = text.first, whole.isDigit else { return nil }
    let point = text.dropFirst()
    let decimals = point.dropFirst()
    guard point.isEmpty || point.first == UInt8(ascii: "."), decimals.count <= 3,
      decimals.allSatisfy(\.isDigit)
    else { return nil }
    var weight = Int(whole - UInt8(ascii: "0"))
    for position in 0..<3 {
      let digit = position < decimals.count ? decimals[decimals.startIndex + position] : nil
      weight = weight * 10 + Int((digit ?? UInt8(ascii: "0")) - UInt8(ascii: "0"))
    }
    return weight <= 1000 ? weight : nil
  }
}
