public import Placements
internal import Routing
public import Tensors

extension ForwardPass {
  /// The collaboration loss, unscaled: the mean over tokens and sparse layers of the devices that a token would reach
  /// if its experts were drawn by its router, k of them.
  ///
  ///     Σ_layers Σ_t E[C_T](z_t, π) / (tokens · layers),   ``ExpectedDevices``
  ///
  /// It looks at the router alone, not at the experts used: gradients are the same under a limit and without one.
  ///
  /// - Parameters:
  ///   - placement: π of every sparse layer.
  ///   - temperature: τ of the draw.
  /// - Returns: A scalar from 1 to min(k, D).
  public func collaborationLoss(_ placement: Placement, temperature: Double = 1) -> Tensor {
    var loss: Tensor?
    for layer in routing {
      guard let expertDevice = try? placement.expertDevice(layer: layer.layer) else {
        preconditionFailure("collaborationLoss: no placement for layer \(layer.layer)")
      }
      let expected = ExpectedDevices(
        placement: expertDevice, devices: placement.devices, topK: layer.k, temperature: temperature)
      let term = layer.logits.meanOverRows(of: expected) * (1 / Float(routing.count))
      loss = loss.map { $0 + term } ?? term
    }
    return loss ?? Tensor(0)
  }
}

extension Tensor {
  /// Mean of E[C_T] over the rows of router logits, added up in double precision in the order of the rows.
  fileprivate func meanOverRows(of expected: ExpectedDevices) -> Tensor {
    let (tokens, experts) = (rows, columns)
    precondition(experts == expected.experts, "collaborationLoss: \(experts) logits for \(expected.experts) experts")
    var values = [Double](repeating: 0, count: tokens)
    func fill(_ gradient: UnsafeMutableBufferPointer<Float>?) {
      withElements { logits in
        values.withUnsafeMutableBufferPointer { values in
          nonisolated(unsafe) let values = values
          Parallel.blocks(tokens, grain: 64) { block in
            let elements = block.lowerBound * experts..<block.upperBound * experts
            expected.evaluate(
              UnsafeBufferPointer(rebasing: logits[elements]),
              values: UnsafeMutableBufferPointer(rebasing: values[block]),
              gradient: gradient.map { UnsafeMutableBufferPointer(rebasing: $0[elements]) })
          }
        }
      }
    }
    let derivatives = isTracked ? Tensor.filled([tokens, experts]) { fill($0) } : nil
    if derivatives == nil { fill(nil) }
    let scale = 1 / Double(max(tokens, 1))
    return .op(
      Tensor(Float(values.reduce(0, +) * scale)).storage, [],
      derivatives.flatMap { derivatives in gradient { dy in derivatives * (dy.scalar * Float(scale)) } })
  }
}
