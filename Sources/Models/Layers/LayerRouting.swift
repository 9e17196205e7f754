public import Collaboration
public import Tensors

/// How the weights of a token's experts are scaled under a device limit.
public enum Renormalization: String, Sendable, CaseIterable, Codable {
  /// The family's own flag, over the experts used.
  case model
  /// × Σ_{Top-k} p / Σ_{used} p, with its gradient: the layer's output keeps its scale.
  case originalMass = "original_mass"
  /// The same factor as a constant.
  case originalMassDetached = "original_mass_detached"
}

/// What one layer's router decided for a batch.
public struct LayerRouting: Sendable {
  /// Router logits, `[tokens, E]`.
  public let logits: Tensor
  /// Softmax of the logits, `[tokens, E]`.
  public let probabilities: Tensor
  /// Top-k experts of each token by falling probability, `[tokens · k]`: what the model chose before any limit.
  public let chosen: [Int32]
  /// Experts each token really uses, in the order of summation, `[tokens · k]`; -1 where there is none.
  public let used: [Int32]
  /// Expert whose probability weighs each used expert, `[tokens · k]`.
  public let sources: [Int32]
  /// Weights of the used experts, `[tokens, k]`.
  public let weights: Tensor
  /// k
  public let k: Int

  /// Selects experts by a rule and weighs them.
  ///
  /// - Parameters:
  ///   - logits: `[tokens, E]`.
  ///   - rule: From probabilities to the experts used and the sources of their weights.
  ///   - renormalization: Scale of the weights.
  ///   - normalizesTopK: Whether the family divides weights by their sum.
  public init(logits: Tensor, rule: RoutingRule, renormalization: Renormalization, normalizesTopK: Bool) {
    let (tokens, experts, k) = (logits.rows, rule.experts, rule.topK)
    precondition(logits.columns == experts, "LayerRouting: \(logits.columns) logits for \(experts) experts")
    let p = logits.softmax()
    var (chosen, used, sources) = (
      [Int32](repeating: -1, count: tokens * k), [Int32](repeating: -1, count: tokens * k),
      [Int32](repeating: -1, count: tokens * k)
    )
    p.withElements { p in
      chosen.withUnsafeMutableBufferPointer { chosen in
        used.withUnsafeMutableBufferPointer { used in
          sources.withUnsafeMutableBufferPointer { sources in
            nonisolated(unsafe) let (chosen, used, sources) = (chosen, used, sources)
            Parallel.blocks(tokens, grain: 128) { block in
              let slots = block.lowerBound * k..<block.upperBound * k
              rule.route(
                UnsafeBufferPointer(rebasing: p[block.lowerBound * experts..<block.upperBound * experts]),
                firstToken: block.lowerBound, chosen: UnsafeMutableBufferPointer(rebasing: chosen[slots]),
                used: UnsafeMutableBufferPointer(rebasing: used[slots]),
                sources: UnsafeMutableBufferPointer(rebasing: sources[slots]))
            }
          }
        }
      }
    }
    var weights = p.gatherColumns(sources, k: k)
    if normalizesTopK {
      weights = weights / weights.sum(axis: 1, keepingAxis: true)
    }
    if renormalization != .model, used != chosen {
      let usedMass = p.gatherColumns(sources, k: k).sum(axis: 1, keepingAxis: true)
      let factor = p.gatherColumns(chosen, k: k).sum(axis: 1, keepingAxis: true) / usedMass
      if !normalizesTopK { weights = weights * (renormalization == .originalMass ? factor : factor.detached()) }
    }
    self.logits = logits
    probabilities = p
    (self.chosen, self.used, self.sources, self.weights, self.k) = (chosen, used, sources, weights, k)
  }

  /// Weights of the model's own choice before any limit, `[tokens, k]`, in the order of ``chosen``.
  public func chosenWeights(normalizesTopK: Bool) -> Tensor {
    let weights = probabilities.detached().gatherColumns(chosen, k: k)
    return normalizesTopK ? weights / weights.sum(axis: 1, keepingAxis: true) : weights
  }
}
