import Formats
import CKernels
import Foundation
import Testing

/// Every element-wise loop and reduction of `CKernels` against double precision, at lengths around the vector widths.
@Suite struct KernelsElementwiseTests {
  static let lengths = [0, 1, 7, 8, 15, 16, 17, 31, 1000]

  /// Uniform values; the caller names range and seed.
  static func random(_ count: Int, seed: UInt64, in range: ClosedRange<Float> = -3...3) -> [Float] {
    var generator = SplitMix64(seed: seed)
    return (0..<count).map { _ in Float.random(in: range, using: &generator) }
  }

  /// Runs a loop on `count` outputs between two guard values, which it must not touch.
  static func output(_ count: Int, from initial: [Float] = [], _ body: (UnsafeMutablePointer<Float>) -> Void) -> [Float]
  {
    let guarded: [Float] = [12345] + (initial.isEmpty ? Array(repeating: .nan, count: count) : initial) + [54321]
    var memory = guarded
    memory.withUnsafeMutableBufferPointer { buffer in
      if let base = buffer.baseAddress { body(base + 1) }
    }
    #expect(memory.first == 12345 && memory.last == 54321, "a loop wrote beyond its \(count) outputs")
    return Array(memory[1..<count + 1])
  }

  @Test(arguments: lengths) func binary(n: Int) {
    let (a, b) = (Self.random(n, seed: 1), Self.random(n, seed: 2, in: 0.5...2))
    typealias Loop = (UnsafePointer<Float>?, UnsafePointer<Float>?, UnsafeMutablePointer<Float>?, Int) -> Void
    let cases: [(Loop, (Double, Double) -> Double)] = [(ck_add, +), (ck_sub, -), (ck_mul, *), (ck_div, /)]
    for (loop, reference) in cases {
      let expected = zip(a, b).map { reference(Double($0), Double($1)) }
      expectClose(Self.output(n) { loop(a, b, $0, n) }, expected, rtol: 1e-7, atol: 1e-7)
    }
  }

  @Test(arguments: lengths) func withScalar(n: Int) {
    let a = Self.random(n, seed: 3, in: 0.5...2)
    let x = a.map(Double.init)
    expectClose(Self.output(n) { ck_add_scalar(a, 0.3, $0, n) }, x.map { $0 + Double(Float(0.3)) }, rtol: 1e-7)
    expectClose(Self.output(n) { ck_scale(a, 0.3, $0, n) }, x.map { $0 * Double(Float(0.3)) }, rtol: 1e-7)
    expectClose(Self.output(n) { ck_div_scalar(a, 0.3, $0, n) }, x.map { $0 / Double(Float(0.3)) }, rtol: 1e-7)
    expectClose(Self.output(n) { ck_scalar_div(0.3, a, $0, n) }, x.map { Double(Float(0.3)) / $0 }, rtol: 1e-7)
    let b = Self.random(n, seed: 4)
    let sums = zip(x, b).map { Double($1) - 1.5 * $0 }
    expectClose(Self.output(n, from: b) { ck_axpy(-1.5, a, $0, n) }, sums, rtol: 1e-6, atol: 1e-6)
  }

  @Test(arguments: lengths) func activations(n: Int) {
    let (a, dy) = (Self.random(n, seed: 5, in: -9...9), Self.random(n, seed: 6))
    let x = a.map(Double.init)
    func sigmoid(_ x: Double) -> Double { 1 / (1 + Foundation.exp(-x)) }
    expectClose(Self.output(n) { ck_exp(a, $0, n) }, x.map { Foundation.exp($0) }, rtol: 3e-7)
    expectClose(Self.output(n) { ck_silu(a, $0, n) }, x.map { $0 * sigmoid($0) }, rtol: 1e-6)
    let slopes = zip(x, dy).map { x, dy in Double(dy) * sigmoid(x) * (1 + x * (1 - sigmoid(x))) }
    expectClose(Self.output(n) { ck_silu_backward(a, dy, $0, n) }, slopes, rtol: 1e-5)
    expectClose(Self.output(n) { ck_clamp(a, -2, 4, $0, n) }, x.map { min(max($0, -2), 4) }, rtol: 0, atol: 0)
    let passed = zip(a, dy).map { $0 < -2 || $0 > 4 ? 0 : Double($1) }
    expectClose(Self.output(n) { ck_clamp_backward(a, -2, 4, dy, $0, n) }, passed, rtol: 0, atol: 0)
  }

  @Test(arguments: lengths) func reductions(n: Int) {
    let (a, b) = (Self.random(n, seed: 7), Self.random(n, seed: 8))
    let (x, y) = (a.map(Double.init), b.map(Double.init))
    #expect(abs(ck_sum(a, n) - x.reduce(0, +)) <= 1e-10)
    #expect(abs(ck_dot(a, b, n) - zip(x, y).reduce(0) { $0 + $1.0 * $1.1 }) <= 1e-10)
    #expect(abs(ck_sum_squares(a, n) - x.reduce(0) { $0 + $1 * $1 }) <= 1e-10)
  }

  @Test(arguments: lengths) func allFinite(n: Int) {
    var a = Self.random(n, seed: 9, in: -1e38...1e38)
    #expect(ck_all_finite(a, n) == 1)
    for position in a.indices {
      let kept = a[position]
      for bad in [Float.nan, .infinity, -.infinity] {
        a[position] = bad
        #expect(ck_all_finite(a, n) == 0)
      }
      a[position] = kept
      if position > 40 { break }
    }
  }

  /// Distance in units in the last place of the single-precision neighbourhood of `expected`.
  static func ulps(_ found: Float, _ expected: Double) -> Double {
    abs(Double(found) - expected) / Double(Float(expected).ulp)
  }

  @Test func exponentialOverItsWholeRange() {
    let inputs = (0..<200_000).map { Float(-87.336) + Float($0) * (176.058 / 200_000) } + [0, -0.0, 1e-30, -1e-30, 1]
    let outputs = Self.output(inputs.count) { ck_exp(inputs, $0, inputs.count) }
    var (worst, place) = (0.0, Float(0))
    for (x, y) in zip(inputs, outputs) {
      let error = Self.ulps(y, exp(Double(x)))
      if !(error <= worst) { (worst, place) = (error, x) }
    }
    #expect(worst <= 2, "the largest error is \(worst) ulp, at \(place)")
    #expect(outputs[inputs.count - 5] == 1 && outputs[inputs.count - 4] == 1)
    #expect(zip(outputs, outputs.dropFirst()).prefix(199_999).allSatisfy { $0 <= $1 }, "not monotone")
  }

  /// Beyond the range: 0 below, the largest value above, NaN stays NaN; the same in every lane of a vector.
  @Test func exponentialBeyondItsRange() {
    let inputs: [Float] = [-88, -104, -1000, -.infinity, 88.73, 89, 1000, .infinity, .nan]
    let repeated = (0..<5).flatMap { Array(inputs[$0...]) + inputs }
    let outputs = Self.output(repeated.count) { ck_exp(repeated, $0, repeated.count) }
    for (x, y) in zip(repeated, outputs) {
      if x.isNaN {
        #expect(y.isNaN)
      } else if x < 0 {
        #expect(y == 0, "exp(\(x))")
      } else {
        #expect(y >= 3.4027e38, "exp(\(x)) is \(y)")
      }
    }
  }

  @Test(arguments: lengths) func adamW(n: Int) {
    let (p, g) = (Self.random(n, seed: 10), Self.random(n, seed: 11))
    let (m, v) = (Self.random(n, seed: 12, in: -0.1...0.1), Self.random(n, seed: 13, in: 0...0.1))
    let (lr, beta1, beta2, eps, decay): (Float, Float, Float, Float, Float) = (0.01, 0.9, 0.95, 1e-8, 0.1)
    let (c1, c2, scale): (Float, Float, Float) = (1 / (1 - 0.81), 1 / (1 - 0.9025), 0.5)
    var (newP, newM, newV) = (p, m, v)
    ck_adamw(&newP, g, &newM, &newV, lr, beta1, beta2, eps, decay, c1, c2, scale, n)
    var (expectedP, expectedM, expectedV) = ([Double](), [Double](), [Double]())
    for index in 0..<n {
      let d = Double(g[index]) * Double(scale)
      let mean = Double(beta1) * Double(m[index]) + (1 - Double(beta1)) * d
      let square = Double(beta2) * Double(v[index]) + (1 - Double(beta2)) * d * d
      let step = Double(lr) * (mean * Double(c1)) / ((square * Double(c2)).squareRoot() + Double(eps))
      expectedP.append(Double(p[index]) * (1 - Double(lr) * Double(decay)) - step)
      expectedM.append(mean)
      expectedV.append(square)
    }
    expectClose(newP, expectedP, rtol: 1e-6, atol: 1e-7, "parameter")
    expectClose(newM, expectedM, rtol: 1e-6, atol: 1e-7, "first moment")
    expectClose(newV, expectedV, rtol: 1e-6, atol: 1e-7, "second moment")
  }
}
