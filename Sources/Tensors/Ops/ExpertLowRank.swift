/// Low-rank terms of a stacked weight, on some of its experts.
///
///     W_e + s · B_i · A_i   for the expert in place e of the stack, i = indices[e]
///
/// - Source: Hu et al. 2022, eq. 3, one pair of factors an expert.
public struct ExpertLowRank: Sendable {
  /// A, `[n, r, in]`, float32.
  public var a: Tensor
  /// B, `[n, out, r]`, float32.
  public var b: Tensor
  /// s
  public let scale: Float
  /// Number of the factors of each place in the stack, `[E]`; -1 where an expert has none.
  public var indices: [Int32]

  /// r
  public var rank: Int { a.shape[1] }

  /// Factors of the given experts.
  ///
  /// - Parameters:
  ///   - a: `[n, r, in]`.
  ///   - b: `[n, out, r]`.
  ///   - scale: s.
  ///   - indices: Number of the factors of each place in the stack, -1 for none.
  public init(a: Tensor, b: Tensor, scale: Float, indices: [Int32]) {
    precondition(
      a.shape.count == 3 && b.shape.count == 3 && a.shape[0] == b.shape[0] && a.shape[1] == b.shape[2],
      "ExpertLowRank: A \(a.shape) and B \(b.shape) are no stacked factors of one rank")
    // Distinct: experts run side by side, and each writes the gradients of its own factors.
    let used = indices.filter { $0 >= 0 }
    precondition(
      indices.allSatisfy { $0 < a.shape[0] } && Set(used).count == used.count,
      "ExpertLowRank: expected distinct indices below \(a.shape[0]), found \(indices)")
    (self.a, self.b, self.scale, self.indices) = (a, b, scale, indices)
  }

  /// What the grouped product takes, checked against the weight that the terms belong to.
  package func factors(over weight: Tensor) -> LowRankFactors {
    precondition(
      weight.shape[1] == b.shape[1] && weight.shape[2] == a.shape[2] && weight.shape[0] == indices.count,
      "experts: weight \(weight.shape), A \(a.shape), B \(b.shape), \(indices.count) places")
    return LowRankFactors(
      a: a.storage, b: b.storage, rank: rank, inputs: a.shape[2], outputs: b.shape[1], scale: scale, indices: indices)
  }
}
