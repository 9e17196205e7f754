public import Profiles
import Foundation

extension LayerProfile {
  /// Evenness of the load, 0...1: −Σ q ln q / ln E with q = load / Σ load. 1 where all experts are used alike.
  public var loadEntropy: Double { Self.entropy(load.map(Double.init)) }

  /// Evenness of the weights within a token, 0...1: the mean of −Σ w ln w / ln k over recorded tokens, w normalised to
  /// 1; `nil` without weights, for k = 1, or where no token has weights above 0.
  public var routingEntropy: Double? {
    guard !weights.isEmpty, topK > 1 else { return nil }
    var (sum, count) = (0.0, 0)
    for start in stride(from: 0, to: weights.count, by: topK) {
      let row = weights[start..<start + topK].map { Double(max(0, $0)) }
      if row.reduce(0, +) > 0 {
        sum += Self.entropy(row)
        count += 1
      }
    }
    return count == 0 ? nil : sum / Double(count)
  }

  private static func entropy(_ masses: [Double]) -> Double {
    let total = masses.reduce(0, +)
    guard total > 0, masses.count > 1 else { return 0 }
    let sum = masses.reduce(0.0) { sum, mass in
      let q = mass / total
      return q > 0 ? sum - q * log(q) : sum
    }
    return sum / log(Double(masses.count))
  }
}
