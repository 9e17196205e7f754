import Foundation
import Testing

@testable import Tensors

@Suite struct OpsSoftmaxNormTests {
  static let shapes = [[1], [4], [3, 5], [2, 3, 17], [700, 65]]

  /// Softmax and log Σ exp of one row, in double precision.
  static func softmax(_ row: ArraySlice<Double>) -> (probabilities: [Double], logSumExp: Double) {
    let top = row.max() ?? 0
    let sum = row.reduce(0) { $0 + exp($1 - top) }
    return (row.map { exp($0 - top) / sum }, top + log(sum))
  }

  @Test(arguments: shapes) func softmaxAndLogSumExp(shape: [Int]) {
    let x = Tensor.random(shape, seed: 1, in: -4...4)
    let (n, source) = (x.columns, x.doubles)
    let rows = (0..<x.rows).map { Self.softmax(source[$0 * n..<($0 + 1) * n]) }
    expectEqual(x.softmax(), rows.flatMap(\.probabilities), shape)
    expectEqual(x.logSumExp(), rows.map(\.logSumExp), Array(shape.dropLast()))
    guard x.count < 200 else { return }
    expectGradient(of: { $0.softmax() }, at: x)
    expectGradient(of: { $0.logSumExp() }, at: x)
  }

  /// Far outside the range of exp: only differences count.
  @Test func largeValues() {
    let x = Tensor([1000, 1001, 999, -1e4, -1e4 + 2, -1e4, 3e38, 3e38, -3e38], shape: [3, 3])
    let source = x.doubles
    let rows = (0..<3).map { Self.softmax(source[$0 * 3..<($0 + 1) * 3]) }
    expectEqual(x.softmax(), rows.flatMap(\.probabilities), [3, 3])
    expectEqual(x.logSumExp(), rows.map(\.logSumExp), [3])
  }

  /// -∞ masks an entry: probability 0, no gradient, and the others as if it were not there.
  @Test func minusInfinityMasks() throws {
    let x = Tensor([-.infinity, 1, 2, 0.5, -.infinity, -1], shape: [2, 3]).tracked()
    let y = x.softmax()
    let left = Self.softmax([1, 2]).probabilities
    let right = Self.softmax([0.5, -1]).probabilities
    expectEqual(y, [0, left[0], left[1], right[0], 0, right[1]], [2, 3])
    expectEqual(x.logSumExp(), [Self.softmax([1, 2]).logSumExp, Self.softmax([0.5, -1]).logSumExp], [2])
    let dx = try #require((y * Tensor([5, 1, -1, 2, 5, 3], shape: [2, 3])).sum().gradients()[x]).elements
    #expect(dx[0] == 0 && dx[4] == 0 && dx.allSatisfy(\.isFinite))
    #expect(abs(dx[1] + dx[2]) <= 1e-6)
  }

  @Test func nanSpreadsOverItsRowOnly() {
    let y = Tensor([.nan, 1, 2, 3], shape: [2, 2]).softmax().elements
    #expect(y[0].isNaN && y[1].isNaN && y[2].isFinite && y[3].isFinite)
  }

  @Test(arguments: [[1, 1], [3, 8], [2, 3, 17], [400, 129]]) func rmsNorm(shape: [Int]) {
    let (x, w) = (Tensor.random(shape, seed: 2, in: -3...3), Tensor.random([shape.last ?? 1], seed: 3))
    let (n, source, weight, epsilon) = (x.columns, x.doubles, w.doubles, 1e-2)
    let expected = (0..<x.rows).flatMap { row in
      let values = source[row * n..<(row + 1) * n]
      let scale = 1 / (values.reduce(0) { $0 + $1 * $1 } / Double(n) + epsilon).squareRoot()
      return zip(values, weight).map { $0 * $1 * scale }
    }
    expectEqual(x.rmsNorm(w, epsilon: Float(epsilon)), expected, shape)
    if x.count < 200 { expectGradients(of: { $0[0].rmsNorm($0[1], epsilon: 1e-2) }, at: [x, w]) }
  }

  /// The weight's gradient is a sum over all rows, cut into several partial sums here.
  @Test func weightGradientOverManyRows() throws {
    let (rows, n) = (3000, 130)
    let x = Tensor.random([rows, n], seed: 4)
    let dy = Tensor.random([rows, n], seed: 5)
    let w = Tensor.random([n], seed: 6).tracked()
    let dw = try #require((x.rmsNorm(w, epsilon: 1e-5) * dy).sum().gradients()[w])
    var expected = Array(repeating: 0.0, count: n)
    let (source, outer) = (x.doubles, dy.doubles)
    for row in 0..<rows {
      var squares = 0.0
      for j in 0..<n { squares += source[row * n + j] * source[row * n + j] }
      let scale = 1 / (squares / Double(n) + 1e-5).squareRoot()
      for j in 0..<n { expected[j] += outer[row * n + j] * source[row * n + j] * scale }
    }
    expectEqual(dw, expected, [n], rtol: 1e-5, atol: 1e-4)
  }

  @Test func bfloat16Weight() {
    let x = Tensor.random([5, 9], seed: 7)
    let w = Tensor.random([9], seed: 8).stored(as: .bfloat16)
    #expect(
      bits(x.rmsNorm(w, epsilon: 1e-5)) == bits(x.rmsNorm(w.stored(as: .float32), epsilon: 1e-5)))
    expectGradient(of: { $0.rmsNorm(w, epsilon: 1e-5) }, at: x)
  }

  @Test func wrongWeightTraps() async {
    await #expect(processExitsWith: .failure) {
      _ = Tensor.zeros([2, 3]).rmsNorm(Tensor.zeros([2]), epsilon: 0)
    }
  }
}
