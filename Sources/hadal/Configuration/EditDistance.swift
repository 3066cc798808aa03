// Which known word somebody may have meant.

/// How far words are from each other.
enum EditDistance {
  /// Insertions, removals and substitutions of characters that lead from one word to the other
  /// (Levenshtein 1966).
  static func between(_ left: String, _ right: String) -> Int {
    let (left, right) = (Array(left), Array(right))
    var row = Array(0...right.count)
    for i in left.indices {
      var diagonal = row[0]
      row[0] = i + 1
      for j in right.indices {
        let substituted = diagonal + (left[i] == right[j] ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[right.count]
  }

  /// The first of the words that are nearest; nil when there are none.
  static func nearest(to word: String, of words: [String]) -> String? {
    // Nobody means a word that is much shorter; a huge one must not take quadratic time.
    let word = String(word.prefix(64))
    return words.map { ($0, between(word, $0)) }.min { $0.1 < $1.1 }?.0
  }
}
