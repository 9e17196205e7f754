/// Tests of paired results.
enum PairedTests {
  /// McNemar's exact test: whether flips one way are as likely as flips the other way.
  ///
  ///     p = min(1, 2 · P(X ≤ min(b, c))),  X ~ Binomial(b + c, ½)
  ///
  /// - Parameters:
  ///   - gained: Questions that only the first run answers rightly.
  ///   - lost: Questions that only the second one does.
  /// - Returns: The two-sided p-value; 1 without flips.
  /// - Source: McNemar 1947; the exact form, which needs no minimum of flips.
  static func mcNemar(gained: Int, lost: Int) -> Double {
    min(1, 2 * Distributions.binomialUpperTail(max(gained, lost), of: gained + lost, p: 0.5))
  }

  /// p-values corrected for their number, so that one false alarm among all is as rare as promised for one.
  ///
  ///     adjusted p₍ᵢ₎ = max over j ≤ i of min(1, (m − j + 1) · p₍ⱼ₎), p rising
  ///
  /// - Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
  static func holm(_ values: [Double]) -> [Double] {
    var adjusted = values
    var floor = 0.0
    for (place, index) in values.indices.sorted(by: { (values[$0], $0) < (values[$1], $1) }).enumerated() {
      floor = max(floor, min(1, Double(values.count - place) * values[index]))
      adjusted[index] = floor
    }
    return adjusted
  }

  /// Probability that guessing is at least as often right: P(X ≥ right), X ~ Binomial(questions, chance).
  ///
  /// Where questions have different numbers of choices, `chance` is the mean of 1 / choices; the binomial distribution is
  /// then wider than the true one, so the test errs on the side of chance (Hoeffding 1956).
  static func guessing(right: Int, of questions: Int, chance: Double) -> Double {
    Distributions.binomialUpperTail(right, of: questions, p: chance)
  }
}
