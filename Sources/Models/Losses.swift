public import Tensors

/// How the load-balancing loss is formed.
public enum AuxiliaryLoss: String, Sendable, CaseIterable, Codable {
  /// transformers' form: all layers' tokens are pooled before the product; k at perfect balance.
  ///
  ///     E · Σ_e f_e · P_e,   f_e = slots of e / pooled tokens,   P_e = mean p_e over pooled tokens
  case hf
  /// Per layer, mean over the sparse layers; 1 at perfect balance.
  ///
  ///     E · Σ_e f_e · P_e,   f_e = slots of e / (tokens · k)
  /// - Source: Fedus et al. 2021, eq. 4–6.
  case switchTransformer = "switch"
  /// Per layer and sequence, mean over both; 1 at perfect balance. DeepSeek's own code adds layers up instead.
  ///
  ///     E · Σ_e f_e · P_e,   f_e = slots of e / (tokens · k),   P_e = mean p_e, over the tokens of one sequence
  /// - Source: Dai et al. 2024, DeepSeekMoE, eq. 12–14; `seq_aux` in `modeling_deepseek.py`.
  case sequence
}

/// Sums over the processes that share a batch; statistics of a batch cannot be had from parts.
public protocol BatchReduction: Sendable {
  /// Σ over processes of each number, the same on all of them.
  func sum(_ values: [Double]) -> [Double]
}

extension ForwardPass {
  /// The load-balancing loss, unscaled; gradients flow through the probabilities, counts are constant.
  ///
  /// - Parameters:
  ///   - kind: Pooled over layers, per layer, or per layer and sequence.
  ///   - reduction: The other processes that hold parts of the batch; nil where this is all of it.
  /// - Returns: A scalar: this process's part, whose sum over processes is the loss, with the gradient of that sum.
  public func auxiliaryLoss(
    _ kind: AuxiliaryLoss, over reduction: (any BatchReduction)? = nil
  ) -> Tensor {
    guard let first = routing.first else { return Tensor(0) }
    if kind == .sequence { return sequenceLoss(over: reduction) }
    let experts = first.probabilities.columns
    var loads = routing.map { layer in
      var load = [Float](repeating: 0, count: experts)
      for expert in layer.used where expert >= 0 { load[Int(expert)] += 1 }
      return load
    }
    var tokens = Double(first.probabilities.rows)
    if let reduction {
      let sums = reduction.sum([tokens] + loads.flatMap { $0.map(Double.init) })
      tokens = sums[0]
      loads = loads.indices.map { layer in sums[1 + layer * experts..<1 + (layer + 1) * experts].map { Float($0) } }
      if first.probabilities.rows == 0 { return Tensor(0) }
    }
    // P_e is a mean over all tokens; this process has its share of them.
    let part = Float(Double(first.probabilities.rows) / max(tokens, 1))
    let layers = Float(routing.count)
    if kind == .hf {
      let pooled = (0..<experts).map { expert in loads.reduce(0) { $0 + $1[expert] } }
      loads = Array(repeating: pooled, count: routing.count)
    }
    var loss: Tensor?
    for (layer, load) in zip(routing, loads) {
      let share = kind == .hf ? 1 / (Float(tokens) * layers) : 1 / (Float(tokens) * Float(layer.k))
      let f = Tensor(load) * (Float(experts) * share / layers * part)
      let term = (layer.probabilities.columnMeans() * f).sum()
      loss = loss.map { $0 + term } ?? term
    }
    return loss ?? Tensor(0)
  }

  /// Σ_layers Σ_t Σ_e p_te · c_te with the constants c_te = E · f_e / (tokens of the sequence · sequences · layers).
  private func sequenceLoss(over reduction: (any BatchReduction)?) -> Tensor {
    var loss: Tensor?
    let sequences = reduction.map { Int($0.sum([Double(segments.count)])[0]) } ?? segments.count
    for layer in routing {
      let experts = layer.probabilities.columns
      let slots = layer.used
      let factors = Tensor.filled([layer.probabilities.rows, experts]) { factors in
        for segment in segments where !segment.isEmpty {
          let tokens = Float(segment.count)
          let share = Float(experts) / (tokens * Float(layer.k)) / tokens / Float(sequences * routing.count)
          var row = [Float](repeating: 0, count: experts)
          for slot in segment.lowerBound * layer.k..<segment.upperBound * layer.k where slots[slot] >= 0 {
            row[Int(slots[slot])] += share
          }
          for token in segment { for expert in 0..<experts { factors[token * experts + expert] = row[expert] } }
        }
      }
      let term = (layer.probabilities * factors).sum()
      loss = loss.map { $0 + term } ?? term
    }
    return loss ?? Tensor(0)
  }

  /// Router z-loss, unscaled: the mean over tokens and sparse layers of (log Σ exp logits)².
  ///
  /// - Parameter reduction: The other processes that hold parts of the batch; nil where this is all of it.
  /// - Returns: A scalar: this process's part, whose sum over processes is the loss.
  /// - Source: Zoph et al. 2022, ST-MoE, eq. 5.
  public func zLoss(over reduction: (any BatchReduction)? = nil) -> Tensor {
    let rows = Double(routing.first?.logits.rows ?? 0)
    let tokens = reduction.map { $0.sum([rows])[0] } ?? rows
    if rows == 0 { return Tensor(0) }
    var loss: Tensor?
    for layer in routing {
      let z = layer.logits.logSumExp()
      let term = (z * z).mean() * (Float(rows / tokens) / Float(routing.count))
      loss = loss.map { $0 + term } ?? term
    }
    return loss ?? Tensor(0)
  }
}

extension LanguageModel {
  /// Cross-entropy of the next tokens.
  ///
  /// - Parameters:
  ///   - pass: What the model computed for a batch.
  ///   - targets: `targets[t]` is the token that position t predicts; negative positions (-100) are left out.
  /// - Returns: Σ of the losses of all predicted tokens in nats, and each one's loss, NaN where left out.
  public func crossEntropy(_ pass: ForwardPass, targets: [Int32]) -> (sum: Tensor, losses: [Float], count: Int) {
    precondition(
      targets.count == pass.hidden.rows, "crossEntropy: \(targets.count) targets, \(pass.hidden.rows) positions")
    let positions = targets.indices.filter { targets[$0] >= 0 }
    let hidden =
      positions.count == targets.count ? pass.hidden : pass.hidden.gatherRows(positions.map(Int32.init))
    let result = hidden.crossEntropy(projectedBy: outputWeight, targets: positions.map { targets[$0] })
    var losses = [Float](repeating: .nan, count: targets.count)
    for (position, loss) in zip(positions, result.losses) { losses[position] = loss }
    return (result.sum, losses, positions.count)
  }
}
