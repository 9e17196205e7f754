import Formats
import Foundation
import Testing

@testable import Tensors

extension Tensor {
  /// Uniform values in `range`.
  static func random(_ shape: [Int], seed: UInt64, in range: ClosedRange<Float> = -1...1) -> Tensor {
    var generator = SplitMix64(seed: seed)
    return Tensor((0..<shape.reduce(1, *)).map { _ in Float.random(in: range, using: &generator) }, shape: shape)
  }
}

/// Compares shapes, then values; NaN fails.
func expectEqual(
  _ a: Tensor, _ expected: [Double], _ shape: [Int], rtol: Double = 1e-5, atol: Double = 1e-6,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(a.shape == shape, sourceLocation: sourceLocation)
  guard a.count == expected.count else {
    Issue.record("expected \(expected.count) elements, found \(a.count)", sourceLocation: sourceLocation)
    return
  }
  expectClose(a.elements, expected, rtol: rtol, atol: atol, sourceLocation: sourceLocation)
}

/// Compares values one by one, of which there are as many on both sides; NaN fails, equal infinities pass.
func expectClose(
  _ a: [Float], _ expected: [Double], rtol: Double = 1e-5, atol: Double = 1e-6, _ label: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(a.count == expected.count, sourceLocation: sourceLocation)
  for (index, (x, y)) in zip(a, expected).enumerated() {
    if Double(x) == y || abs(Double(x) - y) <= atol + rtol * abs(y) { continue }
    Issue.record("\(label) element \(index): expected \(y), found \(x)", sourceLocation: sourceLocation)
    return
  }
}

/// Elements as they are, bit by bit: what must not depend on the number of threads or on what shares the memory.
func bits(_ tensor: Tensor?) -> Data { tensor?.withBytes { Data($0) } ?? Data() }

extension Tensor {
  /// The elements as `Double`, for references.
  var doubles: [Double] { elements.map(Double.init) }
}

/// `op(A) · op(B)`, `[m, n]`, in double precision, straight from the definition.
func referenceProduct(
  _ a: [Double], _ b: [Double], m: Int, n: Int, k: Int, transposeA: Bool = false, transposeB: Bool = false
) -> [Double] {
  var out = Array(repeating: 0.0, count: m * n)
  for i in 0..<m {
    for j in 0..<n {
      var sum = 0.0
      for l in 0..<k { sum += a[transposeA ? l * m + i : i * k + l] * b[transposeB ? j * k + l : l * n + j] }
      out[i * n + j] = sum
    }
  }
  return out
}

/// Checks ⟨∇f, d⟩ against central differences of Σ c ⊙ f along seeded directions d, for every input of `f`.
///
/// The weighted sum is added up in `Double`; the step is chosen so that rounding and curvature errors are alike.
func expectGradients(
  of f: ([Tensor]) -> Tensor, at inputs: [Tensor], step: Float = 1e-2, rtol: Double = 2e-3, atol: Double = 2e-4,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let leaves = inputs.map { $0.tracked() }
  #expect(!f(inputs).isTracked, "untracked inputs must cost no node", sourceLocation: sourceLocation)
  let result = f(leaves)
  let cotangent = Tensor.random(result.shape, seed: 99)
  func value(_ tensors: [Tensor]) -> Double {
    zip(f(tensors).elements, cotangent.elements).reduce(0) { $0 + Double($1.0) * Double($1.1) }
  }
  let gradients = (result * cotangent).sum().gradients()
  for (index, leaf) in leaves.enumerated() {
    guard let gradient = gradients[leaf] else {
      Issue.record("input \(index) has no gradient", sourceLocation: sourceLocation)
      continue
    }
    #expect(gradient.shape == inputs[index].shape, sourceLocation: sourceLocation)
    for seed in 0..<3 {
      let direction = Tensor.random(inputs[index].shape, seed: 1000 + UInt64(seed))
      let predicted = zip(gradient.elements, direction.elements).reduce(0) { $0 + Double($1.0) * Double($1.1) }
      // Richardson: the third-order term cancels between two step lengths.
      func difference(_ h: Float) -> Double {
        var (plus, minus) = (inputs, inputs)
        plus[index] = inputs[index] + direction * h
        minus[index] = inputs[index] - direction * h
        return (value(plus) - value(minus)) / (2 * Double(h))
      }
      let measured = (4 * difference(step / 2) - difference(step)) / 3
      #expect(
        abs(predicted - measured) <= atol + rtol * abs(measured),
        "input \(index), direction \(seed): gradient \(predicted), difference \(measured)",
        sourceLocation: sourceLocation)
    }
  }
}

/// The one-input form of ``expectGradients(of:at:step:rtol:atol:sourceLocation:)``.
func expectGradient(
  of f: (Tensor) -> Tensor, at input: Tensor, rtol: Double = 2e-3, atol: Double = 2e-4,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  expectGradients(of: { f($0[0]) }, at: [input], rtol: rtol, atol: atol, sourceLocation: sourceLocation)
}
