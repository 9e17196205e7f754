internal import Foundation

/// E[C_T] of a token whose k experts are drawn by its router rather than taken: C_T as a smooth function of the logits.
///
///     P(S) = Π_{e ∈ S} w_e / e_k(w),   |S| = k,   w_e = exp(z_e / τ)
///     E[C_T] = Σ_d P(S ∩ d ≠ ∅) = Σ_d (1 − e_k(w without d) / e_k(w))
///
/// e_k is the k-th elementary symmetric polynomial, the sum over all k-subsets of the products of their weights. Of all
/// distributions over k-subsets with the same chances of inclusion this one has the largest entropy (conditional
/// Poisson sampling). It ends at what is known: with equal logits it is ``RandomExpectation``, for τ → 0 it is C_T of
/// the plain top-k. Nothing is approximated and nothing saturates as min(1, k·p) does, since every expert keeps a
/// gradient.
///
/// Device polynomials A_d(x) = Π_{e ∈ d} (1 + w_e x) are multiplied from both ends, up to x^k, so that every product
/// without a device is one convolution: O(E·k + D·k²) a token, all terms positive.
///
/// - Source: Chen, Dempster and Liu 1994, weighted finite population sampling, for the distribution and its recursion;
///   the use as a loss is ours.
public struct ExpectedDevices: Sendable {
  /// E.
  public let experts: Int
  /// k.
  public let topK: Int
  /// D.
  public let devices: Int
  /// τ: below 1 the drawn sets are closer to the plain choice.
  public let temperature: Double
  /// Experts by device: device d holds `members[offsets[d]..<offsets[d + 1]]`.
  private let members: [Int]
  private let offsets: [Int]
  /// Largest log weight relative to the k-th expert's, so that no product of k weights overflows.
  private let ceiling: Double

  /// The expectation in one layer.
  ///
  /// - Parameters:
  ///   - placement: π, expert → device in `0..<devices`.
  ///   - devices: D.
  ///   - topK: k, at most the number of experts.
  ///   - temperature: τ, above 0.
  public init(placement: [Int], devices: Int, topK: Int, temperature: Double = 1) {
    precondition((1...max(placement.count, 1)).contains(topK), "ExpectedDevices: top_k \(topK) of \(placement.count)")
    precondition(temperature > 0, "ExpectedDevices: expected a temperature above 0, found \(temperature)")
    precondition(
      placement.allSatisfy { (0..<devices).contains($0) },
      "ExpectedDevices: placement names a device outside 0..<\(devices)")
    let groups = (0..<devices).map { device in placement.indices.filter { placement[$0] == device } }
    (experts, self.topK, self.devices, self.temperature) = (placement.count, topK, devices, temperature)
    members = groups.flatMap(\.self)
    offsets = groups.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count) }
    ceiling = 600 / Double(topK)
  }

  /// E[C_T] of every token, and its derivatives.
  ///
  /// - Parameters:
  ///   - logits: z, `[tokens, experts]`; NaN gives NaN.
  ///   - values: Receives E[C_T], `[tokens]`.
  ///   - gradient: Receives ∂E[C_T]/∂z of each token, `[tokens, experts]`; nil where none is needed.
  public func evaluate(
    _ logits: UnsafeBufferPointer<Float>, values: UnsafeMutableBufferPointer<Double>,
    gradient: UnsafeMutableBufferPointer<Float>? = nil
  ) {
    precondition(
      logits.count == values.count * experts && gradient?.count ?? logits.count == logits.count,
      "ExpectedDevices: \(logits.count) logits, \(values.count) values, \(gradient?.count ?? 0) derivatives")
    var polynomials = Polynomials(experts: experts, devices: devices, degree: topK)
    var weights = [Double](repeating: 0, count: experts)
    for token in values.indices {
      let row = UnsafeBufferPointer(rebasing: logits[token * experts..<(token + 1) * experts])
      weigh(row, &weights)
      polynomials.multiply(weights, members, offsets)
      values[token] = Double(devices) - polynomials.without / polynomials.all
      guard let gradient else { continue }
      polynomials.differentiate(weights, members, offsets) { expert, derivative in
        let isCapped = weights[expert] >= exp(ceiling)
        gradient[token * experts + expert] = isCapped ? 0 : Float(derivative * weights[expert] / temperature)
      }
    }
  }

  /// The same from an array.
  ///
  /// - Parameter logits: z, `[tokens, experts]`.
  /// - Returns: E[C_T], `[tokens]`, and ∂E[C_T]/∂z, `[tokens, experts]`.
  public func evaluate(_ logits: [Float]) -> (values: [Double], gradient: [Float]) {
    var values = [Double](repeating: 0, count: logits.count / experts)
    var gradient = [Float](repeating: 0, count: logits.count)
    logits.withUnsafeBufferPointer { logits in
      values.withUnsafeMutableBufferPointer { values in
        gradient.withUnsafeMutableBufferPointer { evaluate(logits, values: values, gradient: $0) }
      }
    }
    return (values, gradient)
  }

  /// w = exp((z − z of the k-th expert) / τ): a common factor of all weights leaves P(S) as it is.
  private func weigh(_ logits: UnsafeBufferPointer<Float>, _ weights: inout [Double]) {
    for expert in 0..<experts { weights[expert] = Double(logits[expert]) }
    // The k largest, in falling order, are sorted in at the front.
    var top = [Double](repeating: -.infinity, count: topK)
    for z in weights where z > top[topK - 1] {
      var slot = topK - 1
      while slot > 0, top[slot - 1] < z {
        top[slot] = top[slot - 1]
        slot -= 1
      }
      top[slot] = z
    }
    let pivot = top[topK - 1]
    for expert in 0..<experts { weights[expert] = exp(min((weights[expert] - pivot) / temperature, ceiling)) }
  }
}

/// Products of the device polynomials, truncated after x^k.
private struct Polynomials {
  private let degree: Int
  private let devices: Int
  /// Coefficients of a polynomial, k + 1.
  private let width: Int
  /// Products inside the devices, expert by expert: device d has a 1 and then a row for each of its experts.
  private var partial: [Double]
  /// Products of devices 0..<d, and their derivative where every A_d grows by one and the same constant.
  private var front: [Double], frontDual: [Double]
  /// Products of devices d..<D, and theirs.
  private var back: [Double], backDual: [Double]
  private var adjoint: [Double]

  /// e_k of all weights.
  var all: Double { front[devices * width + degree] }
  /// Σ_d e_k of the weights without those of device d.
  var without: Double { frontDual[devices * width + degree] }

  init(experts: Int, devices: Int, degree: Int) {
    (self.degree, self.devices, width) = (degree, devices, degree + 1)
    partial = [Double](repeating: 0, count: (experts + devices) * width)
    front = [Double](repeating: 0, count: (devices + 1) * width)
    (frontDual, back, backDual) = (front, front, front)
    adjoint = [Double](repeating: 0, count: width)
  }

  /// Multiplies everything out. Leaving a device out is replacing its A by 1, which is the derivative of the product of
  /// all A + ε: so one product of dual numbers has the sum over all devices.
  mutating func multiply(_ weights: [Double], _ members: [Int], _ offsets: [Int]) {
    for device in 0..<devices {
      var row = (offsets[device] + device) * width
      partial[row] = 1
      for j in 1..<width { partial[row + j] = 0 }
      for expert in members[offsets[device]..<offsets[device + 1]] {
        let (w, next) = (weights[expert], row + width)
        partial[next] = 1
        for j in 1..<width { partial[next + j] = partial[row + j] + w * partial[row + j - 1] }
        row = next
      }
    }
    for j in 0..<width {
      (front[j], frontDual[j]) = (j == 0 ? 1 : 0, 0)
      (back[devices * width + j], backDual[devices * width + j]) = (j == 0 ? 1 : 0, 0)
    }
    for device in 0..<devices {
      let group = (offsets[device + 1] + device) * width
      Self.extend(&front, &frontDual, from: device * width, to: (device + 1) * width, by: partial, group, width)
    }
    for device in (0..<devices).reversed() {
      let group = (offsets[device + 1] + device) * width
      Self.extend(&back, &backDual, from: (device + 1) * width, to: device * width, by: partial, group, width)
    }
  }

  /// (P + εQ)(A + ε) = PA + ε(QA + P)
  @inline(__always)
  private static func extend(
    _ product: inout [Double], _ dual: inout [Double], from source: Int, to target: Int, by factors: [Double],
    _ factor: Int, _ width: Int
  ) {
    for j in 0..<width {
      var (value, derivative) = (0.0, product[source + j])
      for i in 0...j {
        value += product[source + i] * factors[factor + j - i]
        derivative += dual[source + i] * factors[factor + j - i]
      }
      (product[target + j], dual[target + j]) = (value, derivative)
    }
  }

  /// Calls `body` with every expert and ∂(D − without/all)/∂w of it.
  mutating func differentiate(
    _ weights: [Double], _ members: [Int], _ offsets: [Int], _ body: (Int, Double) -> Void
  ) {
    let (scale, ratio) = (1 / all, without / all)
    for device in 0..<devices {
      let (before, after) = (device * width, (device + 1) * width)
      // ∂/∂a_j, a_j the coefficients of A_d: what the other devices have at x^(k−j).
      for j in 0..<width {
        var (others, pairs) = (0.0, 0.0)
        for i in 0...(degree - j) {
          let rest = after + degree - j - i
          others += front[before + i] * back[rest]
          pairs += front[before + i] * backDual[rest] + frontDual[before + i] * back[rest]
        }
        adjoint[j] = (ratio * others - pairs) * scale
      }
      // Backwards through A_d, one factor (1 + w x) after the other.
      var row = (offsets[device + 1] + device) * width
      for index in (offsets[device]..<offsets[device + 1]).reversed() {
        let expert = members[index]
        row -= width
        var derivative = 0.0
        for j in 0..<degree {
          derivative += adjoint[j + 1] * partial[row + j]
          adjoint[j] += weights[expert] * adjoint[j + 1]
        }
        body(expert, derivative)
      }
    }
  }
}
