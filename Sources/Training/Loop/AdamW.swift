public import Models
public import Tensors

/// Adam with decoupled weight decay, in one pass over the parameters, in place.
///
///     m ← β₁ m + (1 - β₁) g,   v ← β₂ v + (1 - β₂) g²
///     θ ← (1 - η λ) θ - η · m / (1 - β₁ᵗ) / (√(v / (1 - β₂ᵗ)) + ε)
///
/// λ applies to matrices and expert stacks, not to vectors (norms). A parameter with a zero gradient is still decayed
/// and moved by its moments, as in PyTorch.
/// - Source: Loshchilov and Hutter 2019, algorithm 2.
public struct AdamW: Sendable {
  /// η
  public var learningRate: Double
  /// η of the router; the common one if nil.
  public var routerLearningRate: Double?
  /// β₁, β₂
  public let betas: (Double, Double)
  /// ε
  public let epsilon: Double
  /// λ
  public let weightDecay: Double
  /// t, steps done.
  public private(set) var step: Int
  /// First and second moments by parameter name; made at a parameter's first gradient.
  public private(set) var moments: [String: (first: Tensor, second: Tensor)]

  /// An optimizer before its first step, or going on from saved moments.
  ///
  /// - Parameters:
  ///   - learningRate: η.
  ///   - betas: β₁, β₂.
  ///   - epsilon: ε.
  ///   - weightDecay: λ.
  ///   - step: Steps done.
  ///   - moments: Moments by parameter name.
  public init(
    learningRate: Double, betas: (Double, Double) = (0.9, 0.95), epsilon: Double = 1e-8, weightDecay: Double = 0,
    step: Int = 0, moments: [String: (first: Tensor, second: Tensor)] = [:]
  ) {
    (self.learningRate, self.betas, self.epsilon, self.weightDecay) = (learningRate, betas, epsilon, weightDecay)
    (self.step, self.moments) = (step, moments)
  }

  /// Moves every parameter that has a gradient.
  ///
  /// - Parameters:
  ///   - model: Its parameters are written in place where nothing else holds them.
  ///   - gradients: By parameter.
  ///   - scale: Factor of all gradients, as clipping gives.
  public mutating func update(_ model: inout LanguageModel, _ gradients: Gradients, scale: Double = 1) {
    step += 1
    let corrections = (1 / (1 - power(betas.0, step)), 1 / (1 - power(betas.1, step)))
    model.updateParameters { path, parameter in
      guard let gradient = gradients[parameter] else { return }
      var (first, second) =
        moments.removeValue(forKey: path.name) ?? (Tensor.zeros(parameter.shape), Tensor.zeros(parameter.shape))
      let rate = path.role == .router ? routerLearningRate ?? learningRate : learningRate
      let decay = parameter.shape.count > 1 ? weightDecay : 0
      let constants = AdamWConstants(
        learningRate: rate, betas: betas, epsilon: epsilon, weightDecay: decay, corrections: corrections,
        gradientScale: scale)
      parameter.adamW(gradient: gradient, first: &first, second: &second, constants)
      moments[path.name] = (first, second)
    }
  }

  /// β to a whole power, by repeated squaring: the same bits on every machine.
  private func power(_ base: Double, _ exponent: Int) -> Double {
    var (result, factor, rest) = (1.0, base, exponent)
    while rest > 0 {
      if rest & 1 == 1 { result *= factor }
      factor *= factor
      rest >>= 1
    }
    return result
  }
}
