// Options that take several values.

import ArgumentParser

/// Different values with commas between them.
struct CommaList<Element: ExpressibleByArgument>: ExpressibleByArgument, ExpressibleByArrayLiteral {
  let values: [Element]

  init(arrayLiteral elements: Element...) { values = elements }

  init(_ values: [Element]) { self.values = values }

  /// Nil for a value that is none, and for one that comes twice.
  init?(argument: String) {
    let words = argument.split(separator: ",", omittingEmptySubsequences: false)
    values = words.compactMap { Element(argument: String($0)) }
    guard values.count == words.count, Set(words).count == words.count else { return nil }
  }

  var defaultValueDescription: String {
    values.map(\.defaultValueDescription).joined(separator: ",")
  }
}
