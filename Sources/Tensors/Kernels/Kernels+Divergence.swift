internal import CKernels

extension Kernels {
  /// Logits of one side that are kept at a time.
  private static let divergenceElements = 1 << 20

  /// Rows of a chunk: at least 64, so that products stay worth their call.
  static func divergenceRows(_ rows: Int, classes: Int) -> Int {
    max(1, min(rows, max(64, divergenceElements / max(classes, 1))))
  }

  /// KL divergences of the softmaxes of rows, whose logits become its gradient.
  ///
  ///     ℓ_r = τ² Σ_i p_i (log p_i − log q_i),   p = softmax(target / τ),   q = softmax(z / τ),   dz = τ (q − p)
  ///
  /// - Parameters:
  ///   - z: `[rows, n]`, the logits of q; receives dz.
  ///   - target: `[rows, n]`, the logits of p; overwritten.
  ///   - scratch: `[rows, n]`.
  ///   - losses: Receives ℓ, `[rows]`.
  ///   - rows: Number of rows.
  ///   - n: Classes.
  ///   - temperature: τ.
  static func divergence(
    _ z: UnsafeMutablePointer<Float>, from target: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>,
    losses: UnsafeMutablePointer<Double>, rows: Int, n: Int, temperature: Float
  ) {
    Parallel.blocks(rows, grain: rowGrain(n)) { block in
      for row in block {
        let (z, target, p) = (z + row * n, target + row * n, scratch + row * n)
        if temperature != 1 {
          for logits in [z, target] {
            ck_scale(logits, 1 / temperature, p, n)
            logits.update(from: p, count: n)
          }
        }
        losses[row] = Double(temperature * temperature) * divergence(z, from: target, p, n)
        if temperature != 1 {
          ck_scale(z, temperature, p, n)
          z.update(from: p, count: n)
        }
      }
    }
  }

  /// One row at τ = 1: KL(p ‖ q); z becomes q − p.
  ///
  ///     u = log (q / p),   KL = Σ p (e^u − 1 − u)
  ///
  /// All terms are positive, so that a small divergence is as exact as a large one, where Σ p log (p / q) is the
  /// difference of two log-sums. e^u is out of reach where q is far above p: there the plain form serves.
  private static func divergence(
    _ z: UnsafeMutablePointer<Float>, from target: UnsafeMutablePointer<Float>, _ p: UnsafeMutablePointer<Float>,
    _ n: Int
  ) -> Double {
    var (logNorm, targetLogNorm): (Float, Float) = (0, 0)
    ck_logsumexp(z, &logNorm, 1, n)
    ck_logsumexp(target, &targetLogNorm, 1, n)
    ck_softmax(target, p, 1, n)
    let plain = ck_dot(p, target, n) - ck_dot(p, z, n) + Double(logNorm) - Double(targetLogNorm)
    let (shift, u) = (logNorm - targetLogNorm, target)
    var isNear = true
    for i in 0..<n {
      u[i] = z[i] - target[i] - shift
      if !(u[i] <= 30) { isNear = false }
    }
    guard isNear else {
      let q = target
      ck_softmax(z, q, 1, n)
      ck_sub(q, p, z, n)
      return plain
    }
    let exponential = z
    ck_exp(u, exponential, n)
    var (loss, mass, norm) = (0.0, 0.0, 0.0)
    for i in 0..<n {
      let (p, e) = (Double(p[i]), Double(exponential[i]))
      loss += p * (e - 1 - Double(u[i]))
      mass += p
      norm += p * e
    }
    // q = p e^u sums to 1 but for the rounding of `shift`.
    let factor = Float(mass / norm)
    for i in 0..<n { z[i] = p[i] * (exponential[i] * factor - 1) }
    return loss / mass
  }
}
