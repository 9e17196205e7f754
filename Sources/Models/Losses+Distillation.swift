public import Tensors

extension ForwardPass {
  /// Distance of the routers from those of another model on the same batch, unscaled: the mean over tokens and sparse
  /// layers of KL(p_teacher ‖ p) over the experts.
  ///
  /// - Parameter teacher: What the other model, of the same shape, computed; constant.
  /// - Returns: A scalar in nats.
  public func routerDivergence(from teacher: ForwardPass) -> Tensor {
    precondition(
      routing.map(\.layer) == teacher.routing.map(\.layer), "routerDivergence: the teacher has other sparse layers")
    var loss: Tensor?
    for (layer, other) in zip(routing, teacher.routing) {
      let share = 1 / Double(max(layer.logits.rows, 1) * routing.count)
      let term = layer.logits.divergence(from: other.logits) * Float(share)
      loss = loss.map { $0 + term } ?? term
    }
    return loss ?? Tensor(0)
  }
}

extension LanguageModel {
  /// Distance of the predictions from those of another model on the same batch: Σ over the predicted tokens of
  /// τ² KL(p_teacher ‖ p) over the vocabulary.
  ///
  /// - Parameters:
  ///   - pass: What this model computed.
  ///   - teacher: The other model, with the same vocabulary.
  ///   - teacherPass: What it computed for the same batch; constant.
  ///   - targets: As in ``crossEntropy(_:targets:)``: negative positions are left out.
  ///   - temperature: τ of both distributions.
  /// - Returns: A scalar in nats.
  public func predictionDivergence(
    _ pass: ForwardPass, from teacher: LanguageModel, _ teacherPass: ForwardPass, targets: [Int32], temperature: Double
  ) -> Tensor {
    precondition(
      targets.count == pass.hidden.rows && targets.count == teacherPass.hidden.rows,
      "predictionDivergence: \(targets.count) targets, \(pass.hidden.rows) and \(teacherPass.hidden.rows) positions")
    let positions = targets.indices.filter { targets[$0] >= 0 }.map(Int32.init)
    return pass.hidden.gatherRows(positions).divergence(
      projectedBy: outputWeight, from: teacherPass.hidden.detached().gatherRows(positions),
      projectedBy: teacher.outputWeight, temperature: Float(temperature))
  }
}
