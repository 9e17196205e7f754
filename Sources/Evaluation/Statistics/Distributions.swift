import Foundation

/// Tail probabilities and quantiles behind tests and intervals.
enum Distributions {
  /// P(Z ≤ z) of the standard normal distribution.
  static func normal(_ z: Double) -> Double { 0.5 * erfc(-z / 2.0.squareRoot()) }

  /// The z with P(Z ≤ z) = p, for p inside 0…1.
  static func normalQuantile(_ p: Double) -> Double { root(p) { normal($0) } }

  /// P(T ≤ t) of Student's distribution with ν > 0 degrees of freedom, which need not be whole.
  static func student(_ t: Double, degrees: Double) -> Double {
    let tail = 0.5 * incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5)
    return t < 0 ? tail : 1 - tail
  }

  /// The t with P(T ≤ t) = p; the normal quantile for infinitely many degrees of freedom.
  static func studentQuantile(_ p: Double, degrees: Double) -> Double {
    degrees < 1e7 ? root(p) { student($0, degrees: degrees) } : normalQuantile(p)
  }

  /// P(X ≥ k) of n tries that succeed with probability p.
  static func binomialUpperTail(_ k: Int, of n: Int, p: Double) -> Double {
    if k <= 0 { return 1 }
    return k > n ? 0 : incompleteBeta(p, Double(k), Double(n - k + 1))
  }

  /// The regularised incomplete beta function I_x(a, b).
  ///
  /// - Source: Press et al., *Numerical Recipes*, 3rd edition, section 6.4 (continued fraction, Lentz's method).
  static func incompleteBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
    if x <= 0 { return 0 }
    if x >= 1 { return 1 }
    let front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    // The fraction converges fast on this side only; the other side is its mirror image.
    return x < (a + 1) / (a + b + 2)
      ? front * betaFraction(x, a, b) / a : 1 - front * betaFraction(1 - x, b, a) / b
  }

  private static func betaFraction(_ x: Double, _ a: Double, _ b: Double) -> Double {
    func apart(_ value: Double) -> Double { abs(value) < 1e-300 ? 1e-300 : value }
    var c = 1.0
    var d = 1 / apart(1 - (a + b) * x / (a + 1))
    var result = d
    for step in 1...10_000 {
      let m = Double(step)
      for numerator in [
        m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
        -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
      ] {
        d = 1 / apart(1 + numerator * d)
        c = apart(1 + numerator / c)
        result *= d * c
      }
      if abs(d * c - 1) < 1e-15 { break }
    }
    return result
  }

  /// Where a rising function that is symmetrical about (0, ½) reaches p, by halving.
  private static func root(_ p: Double, _ value: (Double) -> Double) -> Double {
    if p == 0.5 { return 0 }
    var (low, high) = (0.0, 1.0)
    let (upper, sign) = p > 0.5 ? (p, 1.0) : (1 - p, -1.0)
    while value(high) < upper, high < 1e12 { (low, high) = (high, 2 * high) }
    for _ in 0..<100 {
      let middle = (low + high) / 2
      if value(middle) < upper { low = middle } else { high = middle }
    }
    return sign * (low + high) / 2
  }
}
