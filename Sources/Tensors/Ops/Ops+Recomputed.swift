extension Tensor {
  /// A value without its intermediate results: they are computed again when a gradient is led back.
  ///
  /// Activation checkpointing: memory of one call of `body` at a time, for one more forward pass. The value has the
  /// bits that it has without it; so have gradients, unless one of its parts is used elsewhere too and adds up in
  /// another order.
  ///
  /// - Parameters:
  ///   - inputs: What `body` computes from.
  ///   - parameters: Tracked leaves that `body` uses besides.
  ///   - body: Gives the same value for the same inputs, every time.
  /// - Returns: `body(inputs)`.
  /// - Source: Chen et al. 2016, Training deep nets with sublinear memory cost.
  public static func recomputed(
    _ inputs: [Tensor], parameters: [Tensor], _ body: @escaping @Sendable ([Tensor]) -> Tensor
  ) -> Tensor {
    let sources = inputs + parameters
    guard sources.contains(where: \.isTracked) else { return body(inputs) }
    let value = body(inputs.map { $0.detached() }).detached()
    return .op(
      value.storage, value.shape,
      jointGradient(sources) { dy in
        let leaves = inputs.map { $0.isTracked ? $0.detached().tracked() : $0 }
        guard let root = body(leaves).node else { return sources.map { $0.isTracked ? .zeros($0.shape) : nil } }
        let gradients = Gradients(of: root, seed: dy)
        return (leaves + parameters).map { $0.isTracked ? gradients[$0] ?? .zeros($0.shape) : nil }
      })
  }
}
