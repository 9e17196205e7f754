internal import Routing

extension LayerProfile {
  /// What tables say that cannot be true.
  package struct Contradiction: Error, Equatable {
    /// The table, by its name in files.
    package let table: String
    /// What was expected, in words.
    package let expected: String
    /// What was found, in words.
    package let found: String
  }

  /// Checks the tables of a layer against each other: all that is computed from them relies on it.
  ///
  ///     Σ load = k · tokens      load_e ≤ tokens
  ///     A_ef = A_fe ≤ min(load_e, load_f)      A_ee = 0      Σ_f A_ef = (k − 1) · load_e
  ///     counts of the recorded sets ≤ load, A; equal to them where all tokens are recorded
  ///     −1 ≤ similarity ≤ 1
  ///
  /// A profile of loads alone has neither sets nor co-activation, and its tokens are Σ load / k but for rounding.
  ///
  /// - Throws: The first contradiction.
  package func check() throws(Contradiction) {
    guard (1...Most.tokens).contains(tokens), documents.count <= tokens else {
      throw Contradiction(
        table: "tokens", expected: "1...\(Most.tokens), at least the \(documents.count) recorded ones",
        found: "\(tokens)")
    }
    if let expert = load.firstIndex(where: { $0 > tokens }) {
      throw Contradiction(
        table: "load", expected: "at most the layer's \(tokens) tokens an expert",
        found: "\(load[expert]) for expert \(expert)")
    }
    // At most 2048 experts of at most 2⁴⁰ tokens each: no sum overflows.
    let sum = load.reduce(0, +)
    let hasLoadsAlone = documents.isEmpty && coactivation.allSatisfy { $0 == 0 }
    let rest = sum - Int64(topK) * Int64(tokens)
    guard rest == 0 || (hasLoadsAlone && rest.magnitude <= topK + experts) else {
      throw Contradiction(
        table: "load", expected: "\(topK) experts for each of \(tokens) tokens, \(topK * tokens) in all",
        found: "\(sum)")
    }
    if !hasLoadsAlone { try checkCoactivation() }
    try checkSets()
    for (name, table) in [
      ("logit_similarity", cosineSimilarity), ("logit_similarity_centered", centeredSimilarity),
      ("output_similarity", outputSimilarity),
    ] {
      if let bad = table?.firstIndex(where: { !(-1...1).contains($0) }) {
        throw Contradiction(
          table: name, expected: "numbers from -1 to 1", found: "\(table?[bad] ?? 0) at element \(bad)")
      }
    }
  }

  private func checkCoactivation() throws(Contradiction) {
    func fail(_ i: Int, _ j: Int, _ expected: String) -> Contradiction {
      Contradiction(
        table: "coactivation", expected: expected, found: "\(coactivation[i * experts + j]) for experts \(i) and \(j)")
    }
    for i in 0..<experts {
      var row: Int64 = 0
      for j in 0..<experts {
        let count = coactivation[i * experts + j]
        if i == j, count != 0 { throw fail(i, j, "0 for an expert and itself") }
        let most = min(load[i], load[j])
        guard count >= 0, count <= most else { throw fail(i, j, "from 0 to \(most), the lesser load") }
        let mirrored = coactivation[j * experts + i]
        guard count == mirrored else { throw fail(i, j, "\(mirrored), as for experts \(j) and \(i)") }
        row += count
      }
      guard row == Int64(topK - 1) * load[i] else {
        throw Contradiction(
          table: "coactivation",
          expected: "\(topK - 1) others for each of the \(load[i]) tokens of expert \(i), "
            + "\(Int64(topK - 1) * load[i]) in all", found: "\(row)")
      }
    }
  }

  private func checkSets() throws(Contradiction) {
    if documents.isEmpty { return }
    if let row = documents.firstIndex(where: { $0 < 0 }) {
      throw Contradiction(
        table: "documents", expected: "numbers of 0 or more", found: "\(documents[row]) in row \(row)")
    }
    let recorded = recounted(sets: sets, weights: [], documents: documents)
    let isWhole = documents.count == tokens
    for (name, part, whole) in [("load", recorded.load, load), ("coactivation", recorded.coactivation, coactivation)] {
      if let bad = part.indices.first(where: { isWhole ? part[$0] != whole[$0] : part[$0] > whole[$0] }) {
        throw Contradiction(
          table: "sets", expected: "\(isWhole ? "" : "at most ")\(whole[bad]) at element \(bad) of \(name)",
          found: "\(part[bad]) when the recorded sets are counted")
      }
    }
  }
}
