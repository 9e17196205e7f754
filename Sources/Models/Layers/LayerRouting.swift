public import Routing
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

/// How a family makes weights of the probabilities of the experts used.
///
///     w = scale · p,   or scale · p / Σ p over the experts used where `normalizes`
public struct ExpertWeighting: Sendable, Equatable {
  /// Whether weights are divided by their sum (`norm_topk_prob`).
  public let normalizes: Bool
  /// Factor of all weights (`routed_scaling_factor`).
  public let scale: Double

  /// A weighting.
  ///
  /// - Parameters:
  ///   - normalizes: Whether weights are divided by their sum.
  ///   - scale: Factor of all weights.
  public init(normalizes: Bool, scale: Double = 1) {
    (self.normalizes, self.scale) = (normalizes, scale)
  }

  /// Weights of probabilities, `[tokens, k]`.
  func callAsFunction(_ p: Tensor) -> Tensor {
    let weights = normalizes ? p / p.sum(axis: 1, keepingAxis: true) : p
    return scale == 1 ? weights : weights * Float(scale)
  }
}

/// What one layer's router decided for a batch.
public struct LayerRouting: Sendable {
  /// Absolute number of the block.
  public let layer: Int
  /// Router logits, `[tokens, E]`.
  public let logits: Tensor
  /// Softmax of the logits, `[tokens, E]`.
  public let probabilities: Tensor
  /// Experts that the model chose before any limit, by falling probability, `[tokens · k]`.
  public let chosen: [Int32]
  /// Experts each token really uses, in the order of summation, `[tokens · k]`; -1 where there is none.
  public let used: [Int32]
  /// Expert whose probability weighs each used expert, `[tokens · k]`.
  public let sources: [Int32]
  /// Weights of the used experts, `[tokens, k]`.
  public let weights: Tensor
  /// k
  public let k: Int
  private let weighting: ExpertWeighting
  /// Tokens that one task routes.
  private static let blockTokens = 128

  /// Selects experts by a rule and weighs them.
  ///
  /// - Parameters:
  ///   - layer: Absolute number of the block.
  ///   - logits: `[tokens, E]`.
  ///   - rule: From probabilities to the experts used and the sources of their weights.
  ///   - renormalization: Scale of the weights.
  ///   - weighting: How the family scales them.
  ///   - batch: The tokens, where their numbers are not 0, 1, ….
  public init(
    layer: Int, logits: Tensor, rule: RoutingRule, renormalization: Renormalization, weighting: ExpertWeighting,
    batch: TokenBatch? = nil
  ) {
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
            let runs =
              batch?.runs(upTo: Self.blockTokens)
              ?? stride(from: 0, to: tokens, by: Self.blockTokens).map {
                ($0..<min($0 + Self.blockTokens, tokens), $0)
              }
            Parallel.run(runs.count) { index in
              let (block, first) = runs[index]
              let slots = block.lowerBound * k..<block.upperBound * k
              rule.route(
                UnsafeBufferPointer(rebasing: p[block.lowerBound * experts..<block.upperBound * experts]),
                firstToken: first, chosen: UnsafeMutableBufferPointer(rebasing: chosen[slots]),
                used: UnsafeMutableBufferPointer(rebasing: used[slots]),
                sources: UnsafeMutableBufferPointer(rebasing: sources[slots]))
            }
          }
        }
      }
    }
    let probabilities = p.gatherColumns(sources, k: k)
    var weights = weighting(probabilities)
    // Where weights add up to 1 anyway, they have the mass of the original choice.
    if renormalization != .model, used != chosen, !weighting.normalizes {
      let factor =
        p.gatherColumns(chosen, k: k).sum(axis: 1, keepingAxis: true)
        / probabilities.sum(axis: 1, keepingAxis: true)
      weights = weights * (renormalization == .originalMass ? factor : factor.detached())
    }
    (self.layer, self.weighting) = (layer, weighting)
    self.logits = logits
    self.probabilities = p
    (self.chosen, self.used, self.sources, self.weights, self.k) = (chosen, used, sources, weights, k)
  }

  /// Weights of the model's own choice before any limit, `[tokens, k]`, in the order of ``chosen``.
  public var chosenWeights: Tensor { weighting(probabilities.detached().gatherColumns(chosen, k: k)) }
}
