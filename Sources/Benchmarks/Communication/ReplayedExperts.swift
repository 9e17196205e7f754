internal import Profiles
internal import Routing
internal import ExpertParallel
internal import Foundation
internal import Models
internal import Tensors

/// A layer whose tokens choose what recorded tokens chose, whatever its own router says.
struct ReplayedExperts: ExpertExecution {
  let sharded: ShardedExperts
  /// Of recorded tokens, `[tokens, E]`; see ``LayerProfile/logits(of:)``.
  let logits: Tensor
  let rule: RoutingRule
  let weighting: ExpertWeighting

  func callAsFunction(_ x: Tensor, _ routing: LayerRouting, _ experts: ExpertStack) -> Tensor {
    // The router's own logits stay in the sum, times 0: gradients of the weights travel as they do in training.
    let replayed = LayerRouting(
      layer: routing.layer, logits: routing.logits * 0 + logits, rule: rule, renormalization: .model,
      weighting: weighting)
    return sharded(x, replayed, experts)
  }
}

extension LayerProfile {
  /// Logits that lead to the recorded choices, `[tokens · E]`.
  ///
  ///     exp(logit_e) = w_e                                     of recorded experts
  ///                  = min w · (0.001 + 0.998 · a_e)           of others,   a_e = Σ_i w_i · A[i][e] / load[i] / Σ_i w_i
  ///
  /// A recording has the weights of chosen experts alone. The others, which a device limit may put in their place, come
  /// below all of them, by how often they are used together with them.
  ///
  /// - Parameter tokens: Numbers of recorded tokens.
  /// - Returns: A row a token.
  func logits(of tokens: Range<Int>) -> [Float] {
    var logits: [Float] = []
    logits.reserveCapacity(tokens.count * experts)
    for token in tokens {
      let set = sets[token * topK..<(token + 1) * topK].map(Int.init)
      // Where a recording has none, all weigh the same but for ties.
      let recorded =
        weights.isEmpty ? set.indices.map { 1 - Float($0) / 1000 } : Array(weights[token * topK..<(token + 1) * topK])
      let w = recorded.map { max(Double($0), 1e-6) }
      let (least, sum) = (w.min() ?? 1, w.reduce(0, +))
      var row = (0..<experts).map { expert in
        let together = zip(set, w).reduce(0) { sum, pair in
          sum + pair.1 * Double(coactivation[pair.0 * experts + expert]) / Double(max(load[pair.0], 1))
        }
        return Float(log(least * (0.001 + 0.998 * min(together / sum, 1))))
      }
      for (expert, weight) in zip(set, w) { row[expert] = Float(log(weight)) }
      logits += row
    }
    return logits
  }
}
