/// Which rows of a grouped product go to which expert: slots sorted by expert, stable by token.
public struct ExpertAssignment: Sendable {
  /// Number of experts.
  public let experts: Int
  /// Experts a token has slots for; absent slots count.
  public let k: Int
  /// Rows of expert e are `offsets[e]..<offsets[e + 1]`.
  public let offsets: [Int]
  /// Slot `token · k + j` of each row.
  let slots: [Int32]
  /// Row of each slot, -1 where the slot is absent.
  let rows: [Int32]

  /// Sorts slots by expert.
  ///
  /// - Parameters:
  ///   - chosen: `[tokens · k]` expert of each slot; -1 is absent.
  ///   - k: Slots a token.
  ///   - experts: Number of experts.
  public init(_ chosen: [Int32], k: Int, experts: Int) {
    precondition(
      chosen.count.isMultiple(of: max(k, 1)), "ExpertAssignment: \(chosen.count) slots are not tokens of \(k)")
    var next = Array(repeating: 0, count: experts + 1)
    for expert in chosen where expert >= 0 {
      precondition(expert < experts, "ExpertAssignment: expected experts below \(experts), found \(expert)")
      next[Int(expert) + 1] += 1
    }
    for expert in 0..<experts { next[expert + 1] += next[expert] }
    offsets = next
    var slots = Array(repeating: Int32(0), count: next[experts])
    var rows = Array(repeating: Int32(-1), count: chosen.count)
    for (slot, expert) in chosen.enumerated() where expert >= 0 {
      let row = next[Int(expert)]
      next[Int(expert)] += 1
      slots[row] = Int32(slot)
      rows[slot] = Int32(row)
    }
    (self.slots, self.rows) = (slots, rows)
    (self.experts, self.k) = (experts, k)
  }

  /// Experts by falling number of rows (ties: lower index): the order in which tasks start, which evens out their end.
  var heaviestFirst: [Int] {
    (0..<experts).sorted {
      (offsets[$1 + 1] - offsets[$1], $0) < (offsets[$0 + 1] - offsets[$0], $1)
    }
  }
}

extension Tensor {
  /// Gated feed-forward experts on the rows assigned to them, weighted and summed a token.
  ///
  ///     y_t = Σ_j w_tj · W_down[e] · (silu(g) ⊙ u),   [g | u] = W_gate_up[e] · x_t,   e = expert of slot (t, j)
  ///
  /// With `adapters`, W stands for W + s · B · A on the experts that have factors; the sum is never formed.
  /// Tokens are grouped by expert over the whole batch; experts run side by side, one thread each. The sum over a
  /// token's experts runs in the order of its slots.
  ///
  /// - Parameters:
  ///   - assignment: Expert of every slot.
  ///   - weights: `[tokens, k]`, the gate weights w.
  ///   - gateUp: `[E, 2I, H]`, gate rows first, float32 or bfloat16.
  ///   - down: `[E, H, I]`, float32 or bfloat16.
  ///   - adapters: Low-rank terms of both weights; nil for none.
  /// - Returns: `[tokens, H]` for `self` of shape `[tokens, H]`.
  public func experts(
    _ assignment: ExpertAssignment, weights: Tensor, gateUp: Tensor, down: Tensor,
    adapters: (gateUp: ExpertLowRank, down: ExpertLowRank)? = nil
  ) -> Tensor {
    let (tokens, h) = (rows, columns)
    precondition(
      gateUp.shape.count == 3 && down.shape == [gateUp.shape[0], h, gateUp.shape[1] / 2] && gateUp.shape[2] == h
        && gateUp.shape[0] == assignment.experts,
      "experts: x \(shape), gate_up \(gateUp.shape), down \(down.shape), \(assignment.experts) experts")
    precondition(
      weights.shape == [tokens, assignment.k] && assignment.rows.count == weights.count,
      "experts: weights \(weights.shape) and \(assignment.rows.count) slots for \(tokens) tokens of \(assignment.k)")
    let product = ExpertProduct(
      assignment: assignment, hidden: h, intermediate: down.shape[2], x: storage, weights: weights.storage,
      gateUp: gateUp.storage, down: down.storage,
      adapters: adapters.map { ($0.gateUp.factors(over: gateUp), $0.down.factors(over: down)) })
    let factors = adapters.map { [$0.gateUp.a, $0.gateUp.b, $0.down.a, $0.down.b] } ?? []
    let inputs = [self, weights, gateUp, down] + factors
    let wanted = inputs.map(\.isTracked)
    let (y, activations) = product.forward(keepingActivations: wanted.contains(true))
    let shapes = inputs.map(\.shape)
    guard let activations else { return Tensor(y, shape) }
    return .op(
      y, shape,
      Tensor.jointGradient(inputs) { dy in
        let gradients = product.backward(dy: dy.storage, activations: activations, wanted: wanted)
        return zip(gradients, shapes).map { gradient, shape in gradient.map { Tensor($0, shape) } }
      })
  }
}
