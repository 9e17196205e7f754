internal import CKernels

/// Constants of one AdamW step for one parameter.
package struct AdamWConstants: Sendable {
  /// η
  let learningRate: Float
  let beta1: Float, beta2: Float
  let epsilon: Float
  /// λ
  let weightDecay: Float
  /// 1 / (1 - β₁ᵗ), 1 / (1 - β₂ᵗ)
  let correction1: Float, correction2: Float
  /// Factor of the gradient, as clipping gives.
  let gradientScale: Float

  package init(
    learningRate: Double, betas: (Double, Double), epsilon: Double, weightDecay: Double, corrections: (Double, Double),
    gradientScale: Double
  ) {
    (self.learningRate, self.epsilon, self.weightDecay) = (Float(learningRate), Float(epsilon), Float(weightDecay))
    (beta1, beta2) = (Float(betas.0), Float(betas.1))
    (correction1, correction2) = (Float(corrections.0), Float(corrections.1))
    self.gradientScale = Float(gradientScale)
  }
}

extension Tensor {
  /// One AdamW step in one pass over memory: moves this parameter and its moments, in place where nothing else holds
  /// them.
  package mutating func adamW(
    gradient: Tensor, first: inout Tensor, second: inout Tensor, _ constants: AdamWConstants
  ) {
    precondition(
      shape == gradient.shape && first.count == count && second.count == count,
      "adamW: parameter \(shape), gradient \(gradient.shape), moments \(first.shape) and \(second.shape)")
    let c = constants
    withMutableElements { p in
      first.withMutableElements { m in
        second.withMutableElements { v in
          gradient.withElements { g in
            guard let p = p.baseAddress, let m = m.baseAddress, let v = v.baseAddress, let g = g.baseAddress else {
              return
            }
            Parallel.blocks(gradient.count, grain: Kernels.grain) { range in
              let start = range.lowerBound
              ck_adamw(
                p + start, g + start, m + start, v + start, c.learningRate, c.beta1, c.beta2, c.epsilon, c.weightDecay,
                c.correction1, c.correction2, c.gradientScale, range.count)
            }
          }
        }
      }
    }
  }
}
