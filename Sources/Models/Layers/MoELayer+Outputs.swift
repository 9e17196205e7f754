public import Tensors

extension MoELayer {
  /// What every expert makes of every token, unweighted, whether its router chose it or not.
  ///
  /// - Parameter x: What the layer reads, `[tokens, hidden]`.
  /// - Returns: `[E · tokens, hidden]`: expert by expert, in the order of original numbers.
  public func outputs(of x: Tensor) -> Tensor {
    let (tokens, count) = (x.rows, experts.experts)
    let everyone = (0..<Int32(count)).flatMap { Array(repeating: $0, count: tokens) }
    let rows = (0..<count).flatMap { _ in (0..<Int32(tokens)) }
    return x.gatherRows(rows).experts(
      ExpertAssignment(places(everyone), k: 1, experts: count),
      weights: Tensor([Float](repeating: 1, count: everyone.count), shape: [everyone.count, 1]), gateUp: experts.gateUp,
      down: experts.down, adapters: experts.adapter.map { ($0.gateUp, $0.down) })
  }
}
