/// Finds what a mistyped word was meant to be.
package enum Spelling {
  /// The candidate that is nearest to a word, `nil` where none is near: at most a third of the letters differ, or one
  /// of several.
  ///
  /// Ties go to the earlier candidate. Case and the choice of `-` or `_` do not count.
  package static func nearest(to word: String, in candidates: some Sequence<String>) -> String? {
    var best: (candidate: String, distance: Int)?
    let target = normal(word)
    for candidate in candidates {
      let other = normal(candidate)
      let longer = max(target.count, other.count)
      let most = min(max(1, longer / 3), longer - 1, (best?.distance ?? .max) - 1)
      // A difference in length is a lower bound: most names fall out here.
      guard abs(other.count - target.count) <= most else { continue }
      let distance = distance(target, other)
      if distance <= most {
        best = (candidate, distance)
      }
    }
    return best?.candidate
  }

  private static func normal(_ word: String) -> [Unicode.Scalar] {
    word.lowercased().unicodeScalars.map { $0 == "-" ? "_" : $0 }
  }

  /// Fewest letters to insert, remove, replace or exchange with the neighbour (optimal string alignment).
  private static func distance(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
    if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
    var before = [Int](repeating: 0, count: b.count + 1)
    var previous = Array(0...b.count)
    for i in 1...a.count {
      var row = [i]
      for j in 1...b.count {
        var cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
        if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { cost = min(cost, before[j - 2] + 1) }
        row.append(cost)
      }
      (before, previous) = (previous, row)
    }
    return previous[b.count]
  }
}
