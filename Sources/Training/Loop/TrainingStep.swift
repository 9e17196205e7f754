public import Models
public import Tensors
public import Text

/// A run that went wrong in its arithmetic: which step, and what first.
public enum TrainingError: Error, Equatable, CustomStringConvertible {
  /// The loss is infinite or not a number; `parameter` is the first that is not finite, or else has the largest element.
  case loss(step: Int, term: String, value: String, parameter: String)
  /// A gradient is infinite or not a number.
  case gradient(step: Int, parameter: String)
  /// A weight is infinite or not a number after the step.
  case weight(step: Int, parameter: String)
  /// No batch has a token to learn from.
  case noTargets(step: Int)

  /// The message for a person.
  public var description: String {
    switch self {
    case .loss(let step, let term, let value, let parameter):
      "step \(step): \(term): expected a finite loss, found \(value), first parameter to look at \(parameter); "
        + Self.advice
    case .gradient(let step, let parameter):
      "step \(step): \(parameter): expected a finite gradient, found NaN or infinity; \(Self.advice)"
    case .weight(let step, let parameter):
      "step \(step): \(parameter): expected finite weights, found NaN or infinity; \(Self.advice)"
    case .noTargets(let step):
      "step \(step): expected tokens to learn from, found none; try data.loss_on: all or a larger data.max_tokens"
    }
  }

  private static let advice = "try a lower optimizer.learning_rate or optimizer.clip; earlier checkpoints are intact"
}

/// What is minimised besides cross-entropy.
public struct LossTerms: Sendable, Equatable {
  /// Form of the balance loss.
  public var auxiliary: AuxiliaryLoss
  /// Coefficient of the balance loss; at 0 it is not computed.
  public var auxiliaryCoefficient: Double
  /// Which experts the balance loss counts.
  public var counts: AuxiliaryCounts
  /// Coefficient of the z-loss; at 0 it is not computed.
  public var zCoefficient: Double

  /// Terms; see the properties.
  public init(
    auxiliary: AuxiliaryLoss = .hf, auxiliaryCoefficient: Double = 0, counts: AuxiliaryCounts = .pruned,
    zCoefficient: Double = 0
  ) {
    (self.auxiliary, self.auxiliaryCoefficient) = (auxiliary, auxiliaryCoefficient)
    (self.counts, self.zCoefficient) = (counts, zCoefficient)
  }
}

/// Losses of one step over all its micro-batches.
public struct StepLosses: Sendable, Equatable {
  /// Cross-entropy in nats per predicted token of the whole accumulated batch.
  public var crossEntropy = 0.0
  /// Balance loss, mean over micro-batches; nil where it is off.
  public var auxiliary: Double?
  /// z-loss, mean over micro-batches; nil where it is off.
  public var z: Double?
  /// What is minimised.
  public var total = 0.0
  /// Tokens in the batch and tokens predicted.
  public var tokens = 0, targets = 0
}

/// Loss and gradients of an accumulated batch.
///
/// The cross-entropy is divided by the predicted tokens of all micro-batches together, so that its gradient equals that
/// of one big batch. The auxiliary losses are formed per micro-batch and averaged: their statistics are of a batch, and
/// cannot be had from parts.
public struct TrainingStep {
  /// Terms besides cross-entropy.
  public let terms: LossTerms

  /// A step with the given terms.
  public init(terms: LossTerms) { self.terms = terms }

  /// Runs forward and backward over all micro-batches.
  ///
  /// - Parameters:
  ///   - model: Parameters that train are tracked.
  ///   - batches: The micro-batches.
  ///   - step: Number of the step, for messages.
  ///   - observe: Sees every micro-batch with what the model computed for it.
  /// - Returns: Losses, and gradients of the total.
  /// - Throws: ``TrainingError`` when a loss is not finite or nothing is to be predicted.
  public func callAsFunction(
    _ model: LanguageModel, _ batches: [Batch], step: Int, observe: (Batch, ForwardPass) -> Void = { _, _ in }
  ) throws(TrainingError) -> (losses: StepLosses, gradients: Gradients) {
    var losses = StepLosses()
    losses.tokens = batches.reduce(0) { $0 + $1.tokens.count }
    losses.targets = batches.reduce(0) { $0 + $1.lossTokens }
    guard losses.targets > 0 else { throw .noTargets(step: step) }
    let parts = 1 / Double(batches.count)
    var gradients = Gradients()
    for batch in batches {
      let pass = model(TokenBatch(tokens: batch.tokens, segments: batch.segments))
      observe(batch, pass)
      let (sum, _, _) = model.crossEntropy(pass, targets: batch.targets)
      var total = sum * Float(1 / Double(losses.targets))
      losses.crossEntropy += Double(sum.scalar) / Double(losses.targets)
      if terms.auxiliaryCoefficient != 0 {
        let loss = pass.auxiliaryLoss(terms.auxiliary, counts: terms.counts)
        losses.auxiliary = (losses.auxiliary ?? 0) + Double(loss.scalar) * parts
        total = total + loss * Float(terms.auxiliaryCoefficient * parts)
      }
      if terms.zCoefficient != 0 {
        let loss = pass.zLoss()
        losses.z = (losses.z ?? 0) + Double(loss.scalar) * parts
        total = total + loss * Float(terms.zCoefficient * parts)
      }
      losses.total += Double(total.scalar)
      try check(losses, model, step)
      gradients.add(total.gradients())
    }
    return (losses, gradients)
  }

  private func check(_ losses: StepLosses, _ model: LanguageModel, _ step: Int) throws(TrainingError) {
    for (term, value) in [
      ("cross-entropy", losses.crossEntropy), ("auxiliary loss", losses.auxiliary ?? 0), ("z-loss", losses.z ?? 0),
      ("total loss", losses.total),
    ] where !value.isFinite {
      throw .loss(step: step, term: term, value: "\(value)", parameter: suspect(in: model))
    }
  }

  /// The first parameter that is not finite, or else the one with the largest element; ties to the first.
  private func suspect(in model: LanguageModel) -> String {
    var worst = (magnitude: Float(-1), name: "")
    model.forEachParameter { path, parameter in
      let magnitude = parameter.elements.reduce(Float(0)) { largest, value in
        value.isFinite ? max(largest, abs(value)) : .infinity
      }
      if magnitude > worst.magnitude { worst = (magnitude, path.name) }
    }
    return worst.name
  }
}

extension Gradients {
  /// Norm of all gradients of a model together, added up in double precision in the order of the module tree.
  ///
  /// - Parameters:
  ///   - model: Whose parameters.
  ///   - step: Number of the step, for messages.
  /// - Returns: √ Σ g².
  /// - Throws: ``TrainingError/gradient(step:parameter:)`` naming the first that is not finite.
  func norm(of model: LanguageModel, step: Int) throws(TrainingError) -> Double {
    var squares = 0.0
    var broken: String?
    model.forEachParameter { path, parameter in
      guard let gradient = self[parameter] else { return }
      let sum = gradient.sumOfSquares
      if broken == nil, !sum.isFinite { broken = path.name }
      squares += sum
    }
    if let broken { throw .gradient(step: step, parameter: broken) }
    return squares.squareRoot()
  }
}
