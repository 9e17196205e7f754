internal import Formats
internal import Routing
internal import Foundation

/// How the next token is chosen from logits.
///
/// In the order of transformers: the penalty of repetition, then temperature, top-k, top-p, and a draw.
///
/// - Source: `RepetitionPenaltyLogitsProcessor`, `TopKLogitsWarper` and `TopPLogitsWarper` of transformers.
public struct Sampling: Sendable, Equatable {
  /// Logits are divided by it; 0 takes the largest, ties to the lower id.
  public let temperature: Double
  /// Only so many largest logits stay, and what equals the last of them; nil for all.
  public let topK: Int?
  /// The likeliest tokens stay whose predecessors have less than this share together; 1 for all.
  public let topP: Double
  /// Logits of tokens that occurred are divided by it where positive, multiplied where negative; 1 for none.
  public let repetitionPenalty: Double
  private var generator: SplitMix64

  /// A choice rule.
  ///
  /// - Parameters:
  ///   - temperature: 0 for greedy.
  ///   - topK: At least 1, or nil for all.
  ///   - topP: Above 0, at most 1.
  ///   - repetitionPenalty: Above 0.
  ///   - seed: Seed of the draws (SplitMix64), one draw a token.
  public init(
    temperature: Double = 0, topK: Int? = nil, topP: Double = 1, repetitionPenalty: Double = 1, seed: UInt64 = 0
  ) {
    precondition(temperature >= 0, "Sampling: temperature \(temperature)")
    precondition(topK.map { $0 >= 1 } ?? true, "Sampling: top_k \(topK ?? 0)")
    precondition(topP > 0 && topP <= 1, "Sampling: top_p \(topP)")
    precondition(repetitionPenalty > 0, "Sampling: repetition_penalty \(repetitionPenalty)")
    (self.temperature, self.topK, self.topP, self.repetitionPenalty) = (temperature, topK, topP, repetitionPenalty)
    generator = SplitMix64(seed: seed)
  }

  /// Chooses a token.
  ///
  ///     p_i ∝ exp((z_i − max z) / temperature) over what top-k and top-p leave,   the first i with Σ_{j ≤ i} p_j > u
  ///
  /// - Parameters:
  ///   - logits: One number a token of the vocabulary, all finite.
  ///   - context: Tokens that occurred, for the penalty.
  /// - Returns: Its id.
  public mutating func next(_ logits: [Float], after context: some Sequence<Int32> = []) -> Int32 {
    let logits = penalised(logits, context)
    var best = 0
    for (index, logit) in logits.enumerated() where logit > logits[best] { best = index }
    if temperature == 0 { return Int32(best) }
    var weights = logits.map { exp(Double($0 - logits[best]) / temperature) }
    if topK != nil || topP < 1 { truncate(&weights) }
    let target = generator.uniform() * weights.reduce(0, +)
    var sum = 0.0
    for (index, weight) in weights.enumerated() {
      sum += weight
      if sum > target { return Int32(index) }
    }
    return Int32(best)
  }

  private func penalised(_ logits: [Float], _ context: some Sequence<Int32>) -> [Float] {
    if repetitionPenalty == 1 { return logits }
    var logits = logits
    let penalty = Float(repetitionPenalty)
    for token in Set(context) {
      let logit = logits[Int(token)]
      logits[Int(token)] = logit < 0 ? logit * penalty : logit / penalty
    }
    return logits
  }

  /// Sets to 0 what top-k and then top-p leave out.
  private func truncate(_ weights: inout [Double]) {
    let order = weights.indices.sorted { (-weights[$0], $0) < (-weights[$1], $1) }
    var kept = order.count
    if let topK, topK < kept {
      let last = weights[order[topK - 1]]
      kept = order.firstIndex { weights[$0] < last } ?? kept
    }
    if topP < 1 {
      let target = topP * order[..<kept].reduce(0) { $0 + weights[$1] }
      var sum = 0.0
      for (rank, index) in order[..<kept].enumerated() {
        if rank > 0, sum >= target {
          kept = rank
          break
        }
        sum += weights[index]
      }
    }
    for index in order[kept...] { weights[index] = 0 }
  }
}
