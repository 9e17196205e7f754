public import Tensors

/// A low-rank term beside a frozen matrix: x ↦ α/r · (x · Aᵀ) · Bᵀ.
///
/// - Source: Hu et al. 2022, eq. 3.
public struct LowRankAdapter: Module {
  /// A, `[r, in]`
  public var a: Tensor
  /// B, `[out, r]`
  public var b: Tensor
  /// α / r
  public let scale: Float

  /// A term of zeros for a matrix `[out, in]`.
  init(out: Int, input: Int, _ size: AdapterSettings.LowRank) {
    (a, b, scale) = (Tensor.zeros([size.rank, input]), Tensor.zeros([out, size.rank]), size.scale)
  }

  /// - Parameter x: `[..., in]`.
  /// - Returns: `[..., out]`.
  public func callAsFunction(_ x: Tensor) -> Tensor { (x.matMulTransposed(a) * scale).matMulTransposed(b) }

  /// Visits A, then B.
  public mutating func visit(
    _ path: ParameterPath, _ body: (ParameterPath, inout Tensor) throws -> Void
  ) rethrows {
    try body(path[ParameterPath.factorA], &a)
    try body(path[ParameterPath.factorB], &b)
  }

  /// An adapter carries none itself.
  public mutating func attachAdapters(_ path: ParameterPath, _ settings: AdapterSettings) {}
}

/// Low-rank terms beside a stack of experts, on all or some of them.
public struct ExpertAdapter: Module {
  /// Of the gate and up projections: A `[n, r, H]`, B `[n, 2I, r]`.
  public var gateUp: ExpertLowRank
  /// Of the down projection: A `[n, r, I]`, B `[n, H, r]`.
  public var down: ExpertLowRank

  /// Terms of zeros for a stack.
  ///
  /// - Parameters:
  ///   - stack: The experts.
  ///   - experts: Adapted ones, ascending.
  ///   - size: Rank and scale.
  init(_ stack: ExpertStack, experts: [Int], _ size: AdapterSettings.LowRank) {
    var indices = [Int32](repeating: -1, count: stack.experts)
    for (index, expert) in experts.enumerated() { indices[expert] = Int32(index) }
    func zeros(_ weight: Tensor) -> ExpertLowRank {
      ExpertLowRank(
        a: Tensor.zeros([experts.count, size.rank, weight.shape[2]]),
        b: Tensor.zeros([experts.count, weight.shape[1], size.rank]), scale: size.scale, indices: indices)
    }
    (gateUp, down) = (zeros(stack.gateUp), zeros(stack.down))
  }

  /// Follows experts that moved: place i now holds what was in place `moves[i]`.
  mutating func arrange(_ moves: [Int32]) {
    gateUp.indices = moves.map { gateUp.indices[Int($0)] }
    down.indices = moves.map { down.indices[Int($0)] }
  }

  /// Drops the terms of all other places of the stack.
  ///
  /// - Parameter places: Rising; what was in `places[i]` is in place i then.
  mutating func keep(_ places: [Int]) {
    (gateUp, down) = (gateUp.kept(places), down.kept(places))
  }

  /// Visits A and B of `gate_up_proj`, then of `down_proj`.
  public mutating func visit(
    _ path: ParameterPath, _ body: (ParameterPath, inout Tensor) throws -> Void
  ) rethrows {
    try body(path["gate_up_proj"][ParameterPath.factorA], &gateUp.a)
    try body(path["gate_up_proj"][ParameterPath.factorB], &gateUp.b)
    try body(path["down_proj"][ParameterPath.factorA], &down.a)
    try body(path["down_proj"][ParameterPath.factorB], &down.b)
  }

  /// An adapter carries none itself.
  public mutating func attachAdapters(_ path: ParameterPath, _ settings: AdapterSettings) {}
}

extension ExpertLowRank {
  /// The terms of some places of the stack, numbered anew.
  fileprivate func kept(_ places: [Int]) -> ExpertLowRank {
    let numbers = places.map { Int(self.indices[$0]) }
    let factors = numbers.filter { $0 >= 0 }
    var next: Int32 = 0
    let renumbered = numbers.map { number -> Int32 in
      if number < 0 { return -1 }
      defer { next += 1 }
      return next
    }
    return ExpertLowRank(a: a.stackRows(factors), b: b.stackRows(factors), scale: scale, indices: renumbered)
  }
}
