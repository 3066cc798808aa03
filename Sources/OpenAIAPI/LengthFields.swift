// How long an answer may become, under all the names that clients have for it.

import JSON

extension RequestTranslator {
  /// Reads the members that say how many tokens an answer may have, and gives each prompt its most.
  /// Names of the same thing must not contradict each other. `n_predict` is llama-server's, where
  /// -1 stands for as many as fit.
  /// - Parameters:
  ///   - names: of the endpoint's own members, the preferred first.
  ///   - least: tokens that may be asked for.
  ///   - fallback: holds where no member says anything, as far as the context has room.
  /// - Returns: what was asked for, and by which member.
  @discardableResult
  mutating func readMaxTokens(
    _ names: [String], from least: Int, default fallback: Int, promptParam: String
  ) throws(APIError) -> (count: Int, param: String)? {
    var requested: (count: Int, param: String)?
    for name in names + ["n_predict"] {
      let isOpen = name == "n_predict"
      guard let count = try fields.integer(name, in: (isOpen ? -1 : least)...Int.max) else {
        continue
      }
      guard count == -1 || count >= least else {
        throw fields.invalid(name, "must be -1 or at least \(least)")
      }
      if let requested, requested.count != count {
        throw fields.invalid(name, "contradicts `\(requested.param)`")
      }
      requested = requested ?? (count, name)
    }
    let asksForAll = requested?.count == -1
    try setMaxTokens(
      asksForAll ? nil : requested, default: asksForAll ? Int.max : fallback,
      promptParam: promptParam)
    return requested
  }
}
