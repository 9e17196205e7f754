internal import ExpertParallel
internal import Models
internal import Tensors

extension Gradients {
  /// Sums the gradients of everything but experts over ranks: each saw its own sequences. An expert's gradient is whole
  /// already, since the rows of all ranks came to it.
  mutating func sumReplicated(of model: LanguageModel, over ranks: any Communicator) {
    model.forEachParameter { path, parameter in
      guard parameter.isTracked, path.role != .experts else { return }
      replace(parameter, with: ranks.sum(self[parameter] ?? Tensor.zeros(parameter.shape)))
    }
  }

  /// Norm of all gradients of a model together, added up in double precision in the order of the module tree.
  ///
  /// - Parameters:
  ///   - model: Whose parameters.
  ///   - step: Number of the step, for messages.
  ///   - ranks: The processes that its experts are spread over.
  /// - Returns: √ Σ g².
  /// - Throws: ``TrainingError/gradient(step:parameter:)`` naming the first that is not finite.
  func norm(
    of model: LanguageModel, step: Int, ranks: any Communicator = SingleProcess()
  ) throws(TrainingError) -> Double {
    var (squares, ofExperts) = (0.0, 0.0)
    var broken: String?
    model.forEachParameter { path, parameter in
      guard let gradient = self[parameter] else { return }
      let sum = gradient.sumOfSquares
      if broken == nil, !sum.isFinite { broken = path.name }
      if ranks.size > 1, path.role == .experts { ofExperts += sum } else { squares += sum }
    }
    if ranks.size > 1 { squares += ranks.sum([ofExperts])[0] }
    if let broken { throw .gradient(step: step, parameter: broken) }
    if !squares.isFinite { throw .gradient(step: step, parameter: "experts of another rank") }
    return squares.squareRoot()
  }
}

extension StepLosses {
  /// The losses of the whole batch, from those of each rank's part; tokens and targets are of the whole already.
  func sum(over ranks: any Communicator) -> StepLosses {
    if ranks.size == 1 { return self }
    let sums = ranks.sum([
      crossEntropy, auxiliary ?? 0, z ?? 0, collaboration ?? 0, routerDivergence ?? 0, predictionDivergence ?? 0, total,
    ])
    var whole = self
    (whole.crossEntropy, whole.total) = (sums[0], sums[6])
    if auxiliary != nil { whole.auxiliary = sums[1] }
    if z != nil { whole.z = sums[2] }
    if collaboration != nil { whole.collaboration = sums[3] }
    if routerDivergence != nil { whole.routerDivergence = sums[4] }
    if predictionDivergence != nil { whole.predictionDivergence = sums[5] }
    return whole
  }
}
