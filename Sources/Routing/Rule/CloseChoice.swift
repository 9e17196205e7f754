/// Tokens whose choice of experts hangs on rounding: two programs that compute the same model may choose differently
/// there.
public enum CloseChoice {
  /// Probabilities closer than this may change places when sums are formed in another order.
  public static let margin: Float = 1e-6

  /// Tokens whose k-th and (k + 1)-th largest probability are less than ``margin`` apart.
  ///
  /// - Parameters:
  ///   - probabilities: `[tokens, experts]`, row-major.
  ///   - experts: E.
  ///   - k: Experts chosen for a token; with k = E there is nothing to choose.
  /// - Returns: Numbers of the tokens, rising.
  public static func tokens(_ probabilities: [Float], experts: Int, k: Int) -> [Int] {
    precondition(
      k >= 1 && k <= experts && probabilities.count % experts == 0,
      "CloseChoice: \(probabilities.count) probabilities of \(experts) experts, k \(k)")
    if k == experts { return [] }
    var found: [Int] = []
    probabilities.withUnsafeBufferPointer { probabilities in
      // The k + 1 largest so far, falling.
      withUnsafeTemporaryAllocation(of: Float.self, capacity: k + 1) { largest in
        for token in 0..<probabilities.count / experts {
          largest.initialize(repeating: -.infinity)
          for p in probabilities[token * experts..<(token + 1) * experts] where p > largest[k] {
            var slot = k
            while slot > 0, p > largest[slot - 1] {
              largest[slot] = largest[slot - 1]
              slot -= 1
            }
            largest[slot] = p
          }
          if !(largest[k - 1] - largest[k] >= margin) { found.append(token) }
        }
      }
    }
    return found
  }
}
