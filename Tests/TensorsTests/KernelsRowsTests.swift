import CKernels
import Foundation
import Testing

/// Every loop over rows of `CKernels` against double precision, three rows at lengths around the vector widths.
@Suite struct KernelsRowsTests {
  static let lengths = [1, 7, 8, 15, 16, 17, 31, 1000]
  static let rows = 3

  typealias Elementwise = KernelsElementwiseTests
  static func random(_ count: Int, seed: UInt64) -> [Float] { Elementwise.random(count, seed: seed) }
  static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

  /// Rows of a flat array, in double precision.
  static func split(_ x: [Float], _ n: Int) -> [[Double]] {
    stride(from: 0, to: x.count, by: max(n, 1)).map { x[$0..<$0 + n].map(Double.init) }
  }
  static func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

  @Test(arguments: lengths) func swiGLU(n: Int) {
    let (x, da, scale) = (Self.random(6 * n, seed: 1), Self.random(3 * n, seed: 2), Self.random(3, seed: 3))
    for factors in [nil, scale] {
      let w = factors.map { $0.map(Double.init) } ?? [1, 1, 1]
      var (out, dx, dots, act) = ([Double](), [Double](), [Double](), [Double]())
      for (r, (row, d)) in zip(Self.split(x, 2 * n), Self.split(da, n)).enumerated() {
        let (g, u) = (Array(row[..<n]), Array(row[n...]))
        let y = (0..<n).map { g[$0] * Self.sigmoid(g[$0]) * u[$0] }
        out += y.map { $0 * w[r] }
        act += y.map { $0 * w[r] }
        dots.append(Self.dot(d, y))
        dx += (0..<n).map { (j: Int) -> Double in
          let s = Self.sigmoid(g[j])
          return w[r] * d[j] * u[j] * s * (1 + g[j] * (1 - s))
        }
        dx += (0..<n).map { (j: Int) -> Double in w[r] * d[j] * g[j] * Self.sigmoid(g[j]) }
      }
      func run(_ body: (UnsafePointer<Float>?) -> [Float]) -> [Float] {
        factors.map { $0.withUnsafeBufferPointer { body($0.baseAddress) } } ?? body(nil)
      }
      expectClose(run { s in Elementwise.output(3 * n) { ck_swiglu(x, s, $0, 3, n) } }, out)
      var (foundDots, foundAct) = ([Float](repeating: .nan, count: 3), [Float](repeating: .nan, count: 3 * n))
      let full = run { s in
        Elementwise.output(6 * n) { ck_swiglu_backward(x, s, da, $0, &foundDots, &foundAct, 3, n) }
      }
      expectClose(full, dx, atol: 1e-5)
      expectClose(foundDots, dots, rtol: 1e-4, atol: 1e-4)
      expectClose(foundAct, act)
      let short = run { s in Elementwise.output(6 * n) { ck_swiglu_backward(x, s, da, $0, nil, nil, 3, n) } }
      #expect(short == full)
    }
  }

  @Test(arguments: lengths) func softmax(n: Int) {
    let (x, dy) = (Self.random(3 * n, seed: 4), Self.random(3 * n, seed: 5))
    let references = Self.split(x, n).map { OpsSoftmaxNormTests.softmax($0[...]) }
    let y = Elementwise.output(3 * n) { ck_softmax(x, $0, 3, n) }
    expectClose(y, references.flatMap(\.probabilities))
    expectClose(Elementwise.output(3) { ck_logsumexp(x, $0, 3, n) }, references.map(\.logSumExp))
    let dx = zip(references.map(\.probabilities), Self.split(dy, n)).flatMap { p, d in
      zip(p, d).map { $0 * ($1 - Self.dot(p, d)) }
    }
    expectClose(Elementwise.output(3 * n) { ck_softmax_backward(y, dy, $0, 3, n) }, dx)
  }

  @Test(arguments: lengths) func rmsNorm(n: Int) {
    let (x, w, dy) = (Self.random(3 * n, seed: 6), Self.random(n, seed: 7), Self.random(3 * n, seed: 8))
    let weight = w.map(Double.init)
    let scales = Self.split(x, n).map { 1 / (Self.dot($0, $0) / Double(n) + 0.01).squareRoot() }
    var rstd = [Float](repeating: .nan, count: 3)
    let y = Elementwise.output(3 * n) { ck_rmsnorm(x, w, 0.01, $0, &rstd, 3, n) }
    expectClose(rstd, scales)
    expectClose(y, zip(Self.split(x, n), scales).flatMap { row, s in zip(row, weight).map { $0 * $1 * s } })
    var (dx, dw) = ([Double](), Array(repeating: 1.0, count: n))
    for (row, (d, s)) in zip(Self.split(x, n), zip(Self.split(dy, n), scales)) {
      let dot = Self.dot(zip(d, weight).map(*), row)
      let c = dot * s * s * s / Double(n)
      dx += (0..<n).map { (j: Int) -> Double in d[j] * weight[j] * s - row[j] * c }
      for j in 0..<n { dw[j] += d[j] * row[j] * s }
    }
    expectClose(Elementwise.output(3 * n) { ck_rmsnorm_backward(x, w, rstd, dy, $0, 3, n) }, dx, atol: 1e-5)
    let ones = Array(repeating: Float(1), count: n)
    expectClose(
      Elementwise.output(n, from: ones) { ck_rmsnorm_backward_weight(x, rstd, dy, $0, 3, n) }, dw, atol: 1e-5)
  }

  @Test(arguments: [1, 2, 7, 8, 16, 17]) func rope(half: Int) {
    let (heads, d, positions) = (2, 2 * half, [Int32(2), 0, 1])
    let x = Self.random(3 * heads * d, seed: 9)
    let (c, s) = (Self.random(3 * half, seed: 10), Self.random(3 * half, seed: 11))
    for sign in [1.0, -1.0] {
      var expected: [Double] = []
      for (index, head) in Self.split(x, d).enumerated() {
        let at = Int(positions[index / heads]) * half
        let (cosines, sines) = (c[at..<at + half].map(Double.init), s[at..<at + half].map { sign * Double($0) })
        expected += (0..<half).map { (j: Int) -> Double in head[j] * cosines[j] - head[half + j] * sines[j] }
        expected += (0..<half).map { (j: Int) -> Double in head[half + j] * cosines[j] + head[j] * sines[j] }
      }
      expectClose(
        Elementwise.output(x.count) { ck_rope(x, positions, c, s, Float(sign), $0, 3, heads, d, d) }, expected)
    }
  }

  @Test(arguments: lengths) func sums(n: Int) {
    let (a, b) = (Self.random(3 * n, seed: 12), Self.random(3 * n, seed: 13))
    let (x, y) = (Self.split(a, n), Self.split(b, n))
    expectClose(Elementwise.output(3) { ck_row_sums(a, $0, 3, n) }, x.map { $0.reduce(0, +) }, atol: 1e-4)
    expectClose(Elementwise.output(3) { ck_row_dots(a, b, $0, 3, n) }, zip(x, y).map(Self.dot), atol: 3e-4)
    let ones = Array(repeating: Float(1), count: n)
    let columns = (0..<n).map { j in x.reduce(1) { $0 + $1[j] } }
    expectClose(Elementwise.output(n, from: ones) { ck_column_sums(a, $0, 3, n) }, columns)
  }

  /// Rows of length `columns` inside a wider stride; what lies between must stay.
  @Test(arguments: lengths) func causalSoftmax(columns: Int) {
    let (stride, scale, visible) = (columns + 3, Float(0.7), max(columns - 1, 1))
    let s = Self.random(3 * stride, seed: 14)
    let rows = Self.split(s, stride).enumerated().map { r, row in
      OpsSoftmaxNormTests.softmax(row[..<min(visible + r, columns)].map { $0 * Double(scale) }[...])
    }
    var expected = s.map(Double.init)
    for (r, row) in rows.enumerated() {
      for j in 0..<columns {
        expected[r * stride + j] = j < row.probabilities.count ? row.probabilities[j] : 0
      }
    }
    var lse = [Float](repeating: .nan, count: 3)
    expectClose(
      Elementwise.output(s.count, from: s) { ck_causal_softmax($0, scale, &lse, 3, visible, columns, stride) }, expected
    )
    expectClose(lse, rows.map(\.logSumExp))
    expectClose(
      Elementwise.output(s.count, from: s) { ck_causal_probabilities($0, scale, lse, 3, visible, columns, stride) },
      expected)
  }

  @Test(arguments: lengths) func attentionScoreGradients(columns: Int) {
    let stride = columns + 2
    let (p, dp, delta) = (
      Self.random(3 * stride, seed: 15), Self.random(3 * stride, seed: 16), Self.random(3, seed: 17)
    )
    let expected = (0..<3 * stride).map { index in
      let (r, j) = (index / stride, index % stride)
      let d = Double(dp[index])
      return j < columns ? 0.25 * Double(p[index]) * (d - Double(delta[r])) : d
    }
    expectClose(
      Elementwise.output(dp.count, from: dp) { ck_attention_ds(p, $0, 0.25, delta, 3, columns, stride) }, expected)
  }

  @Test(arguments: lengths) func crossEntropy(n: Int) {
    let logits = Self.random(3 * n, seed: 18)
    let targets = [Int32(0), Int32(n / 2), Int32(n - 1)]
    let references = Self.split(logits, n).map { OpsSoftmaxNormTests.softmax($0[...]) }
    let losses = zip(references, targets).enumerated().map { r, pair in
      pair.0.logSumExp - Double(logits[r * n + Int(pair.1)])
    }
    for scale in [Float(0), 0.5] {
      var found = [Float](repeating: .nan, count: 3)
      let after = Elementwise.output(3 * n, from: logits) { ck_cross_entropy($0, targets, scale, &found, 3, n) }
      expectClose(found, losses, atol: 2e-6)
      var gradient = references.flatMap { $0.probabilities.map { $0 * Double(scale) } }
      for (r, target) in targets.enumerated() { gradient[r * n + Int(target)] -= Double(scale) }
      expectClose(after, scale == 0 ? logits.map(Double.init) : gradient)
    }
  }

  @Test(arguments: [0] + lengths) func matvec(k: Int) {
    let (rows, n, stride) = (3, 5, 7)
    let (x, w) = (Self.random(rows * k, seed: 19), Self.random(n * k, seed: 20))
    let initial = Array(repeating: Float(9), count: rows * stride)
    let halves = KernelsPrecisionTests.toBFloat16(w)
    let rounded = halves.map { Float(bitPattern: UInt32($0) << 16) }
    func expected(_ w: [Float]) -> [Double] {
      let product = referenceProduct(x.map(Double.init), w.map(Double.init), m: rows, n: n, k: k, transposeB: true)
      return (0..<rows).flatMap { product[$0 * n..<($0 + 1) * n] + [9, 9] }
    }
    expectClose(
      Elementwise.output(rows * stride, from: initial) { ck_matvec(x, w, $0, rows, n, k, stride) }, expected(w),
      atol: 3e-4)
    expectClose(
      Elementwise.output(rows * stride, from: initial) { ck_matvec_bf16(x, halves, $0, rows, n, k, stride) },
      expected(rounded), atol: 3e-4)
  }
}
