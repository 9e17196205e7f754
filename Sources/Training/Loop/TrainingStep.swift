public import Placements
public import ExpertParallel
public import Models
public import Tensors
public import Text

/// A run that went wrong in its arithmetic: which step, and what first.
public enum TrainingError: Error, Equatable, CustomStringConvertible {
  /// The loss is infinite or not a number; `parameter` is the first that is not finite, or else has the largest
  /// element.
  case loss(step: Int, term: String, value: String, parameter: String)
  /// A gradient is infinite or not a number.
  case gradient(step: Int, parameter: String)
  /// A weight is infinite or not a number after the step.
  case weight(step: Int, parameter: String)
  /// The loss on validation data is NaN or infinite, though the weights are not: they are too large.
  case validation(value: String)
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
    case .validation(let value):
      "validation: expected a finite loss, found \(value); \(Self.advice)"
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
  /// Coefficient of the z-loss; at 0 it is not computed.
  public var zCoefficient: Double
  /// Coefficient of the collaboration loss; at 0 it is not computed.
  public var collaborationCoefficient = 0.0
  /// τ of the collaboration loss.
  public var collaborationTemperature = 1.0
  /// Coefficients of the divergences from the teacher's routers and predictions; at 0 they are not computed.
  public var routerCoefficient = 0.0, predictionCoefficient = 0.0
  /// τ of the predictions.
  public var temperature = 1.0

  /// Whether a teacher is needed.
  var needsTeacher: Bool { routerCoefficient != 0 || predictionCoefficient != 0 }

  /// Terms; see the properties.
  public init(
    auxiliary: AuxiliaryLoss = .hf, auxiliaryCoefficient: Double = 0, zCoefficient: Double = 0
  ) {
    (self.auxiliary, self.auxiliaryCoefficient) = (auxiliary, auxiliaryCoefficient)
    self.zCoefficient = zCoefficient
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
  /// Collaboration loss, mean over micro-batches; nil where it is off.
  public var collaboration: Double?
  /// Divergence from the teacher's routers, mean over micro-batches; nil where it is off.
  public var routerDivergence: Double?
  /// Divergence from the teacher's predictions, per predicted token of the whole accumulated batch; nil where it is
  /// off.
  public var predictionDivergence: Double?
  /// What is minimised.
  public var total = 0.0
  /// Tokens in the batch and tokens predicted.
  public var tokens = 0, targets = 0
}

/// Loss and gradients of an accumulated batch.
///
/// The cross-entropy is divided by the predicted tokens of all micro-batches together, so that its gradient equals that
/// of one big batch; so is the divergence from the teacher's predictions. The auxiliary losses are formed per
/// micro-batch and averaged: their statistics are of a batch, and cannot be had from parts.
///
/// With several ranks each runs the sequences that are at home on it; losses are those of the whole batch on all of
/// them, and gradients of replicated parameters are summed. Experts have theirs on their own rank already.
public struct TrainingStep {
  /// Terms besides cross-entropy.
  public let terms: LossTerms
  /// Which device holds which expert, for the collaboration loss.
  public let placement: Placement?
  /// A frozen model that runs beside the trained one, for the divergences.
  public let teacher: LanguageModel?

  /// The processes that share the batch.
  public let ranks: any Communicator

  /// A step with the given terms.
  ///
  /// - Parameters:
  ///   - terms: Terms besides cross-entropy.
  ///   - placement: Needed by the collaboration loss.
  ///   - teacher: Needed by the divergences; its routing is its own.
  ///   - ranks: The processes that share the batch.
  public init(
    terms: LossTerms, placement: Placement? = nil, teacher: LanguageModel? = nil,
    ranks: any Communicator = SingleProcess()
  ) {
    precondition(terms.collaborationCoefficient == 0 || placement != nil, "TrainingStep: collaboration, no placement")
    precondition(!terms.needsTeacher || teacher != nil, "TrainingStep: distillation, no teacher")
    (self.terms, self.placement, self.ranks) = (terms, placement, ranks)
    self.teacher = terms.needsTeacher ? teacher : nil
  }

  /// Runs forward and backward over all micro-batches.
  ///
  /// - Parameters:
  ///   - model: Parameters that train are tracked.
  ///   - batches: The micro-batches, whole on every rank.
  ///   - step: Number of the step, for messages.
  ///   - observe: Sees this rank's part of every micro-batch with what the model computed for it, and the number of the
  ///     micro-batch's first sequence.
  /// - Returns: Losses, and gradients of the total.
  /// - Throws: ``TrainingError`` when a loss is not finite or nothing is to be predicted.
  public func callAsFunction(
    _ model: LanguageModel, _ batches: [Batch], step: Int, observe: (Batch, ForwardPass, Int) -> Void = { _, _, _ in }
  ) throws(TrainingError) -> (losses: StepLosses, gradients: Gradients) {
    var losses = StepLosses()
    losses.tokens = batches.reduce(0) { $0 + $1.tokens.count }
    losses.targets = batches.reduce(0) { $0 + $1.lossTokens }
    guard losses.targets > 0 else { throw .noTargets(step: step) }
    let parts = 1 / Double(batches.count)
    let reduction: (any BatchReduction)? = ranks.size > 1 ? RankReduction(ranks) : nil
    var gradients = Gradients()
    var firstSequence = 0
    for whole in batches {
      let part = MicroBatch(whole, ranks, firstSequence: firstSequence)
      let (batch, pass) = (part.batch, model(part.tokens))
      observe(batch, pass, firstSequence)
      firstSequence += whole.sequences.count
      let (sum, _, _) = model.crossEntropy(pass, targets: batch.targets)
      var total = sum * Float(1 / Double(losses.targets))
      losses.crossEntropy += Double(sum.scalar) / Double(losses.targets)
      if terms.auxiliaryCoefficient != 0 {
        let loss = pass.auxiliaryLoss(terms.auxiliary, over: reduction)
        losses.auxiliary = (losses.auxiliary ?? 0) + Double(loss.scalar) * parts
        total = total + loss * Float(terms.auxiliaryCoefficient * parts)
      }
      if terms.zCoefficient != 0 {
        let loss = pass.zLoss(over: reduction)
        losses.z = (losses.z ?? 0) + Double(loss.scalar) * parts
        total = total + loss * Float(terms.zCoefficient * parts)
      }
      if terms.collaborationCoefficient != 0, let placement {
        let loss = pass.collaborationLoss(placement, temperature: terms.collaborationTemperature) * part.share
        losses.collaboration = (losses.collaboration ?? 0) + Double(loss.scalar) * parts
        total = total + loss * Float(terms.collaborationCoefficient * parts)
      }
      if let teacher { total = total + distillation(model, pass, teacher, part, parts, &losses) }
      losses.total += Double(total.scalar)
      try check(losses.sum(over: ranks), model, step)
      gradients.add(total.gradients())
    }
    if ranks.size > 1 { gradients.sumReplicated(of: model, over: ranks) }
    return (losses.sum(over: ranks), gradients)
  }

  /// Weighted divergences of one micro-batch.
  private func distillation(
    _ model: LanguageModel, _ pass: ForwardPass, _ teacher: LanguageModel, _ part: MicroBatch, _ parts: Double,
    _ losses: inout StepLosses
  ) -> Tensor {
    let teacherPass = teacher(part.tokens)
    var total = Tensor(0)
    if terms.routerCoefficient != 0 {
      let loss = pass.routerDivergence(from: teacherPass) * part.share
      losses.routerDivergence = (losses.routerDivergence ?? 0) + Double(loss.scalar) * parts
      total = total + loss * Float(terms.routerCoefficient * parts)
    }
    if terms.predictionCoefficient != 0 {
      let sum = model.predictionDivergence(
        pass, from: teacher, teacherPass, targets: part.batch.targets, temperature: terms.temperature)
      losses.predictionDivergence = (losses.predictionDivergence ?? 0) + Double(sum.scalar) / Double(losses.targets)
      total = total + sum * Float(terms.predictionCoefficient / Double(losses.targets))
    }
    return total
  }

  private func check(_ losses: StepLosses, _ model: LanguageModel, _ step: Int) throws(TrainingError) {
    for (term, value) in [
      ("cross-entropy", losses.crossEntropy), ("auxiliary loss", losses.auxiliary ?? 0), ("z-loss", losses.z ?? 0),
      ("collaboration loss", losses.collaboration ?? 0), ("router distillation", losses.routerDivergence ?? 0),
      ("logit distillation", losses.predictionDivergence ?? 0),
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
