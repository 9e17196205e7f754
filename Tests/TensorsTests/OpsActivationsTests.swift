import Foundation
import Testing

@testable import Tensors

@Suite struct OpsActivationsTests {
  static func silu(_ x: Double) -> Double { x / (1 + exp(-x)) }

  @Test func siluForwardAndBackward() {
    let x = Tensor.random([11, 13], seed: 1, in: -12...12)
    expectEqual(x.silu(), x.doubles.map(Self.silu), [11, 13])
    expectGradient(of: { $0.silu() }, at: Tensor.random([5, 7], seed: 2, in: -4...4))
  }

  @Test func sigmoidForwardAndBackward() {
    let x = Tensor.random([7, 3], seed: 6, in: -12...12)
    expectEqual(x.sigmoid(), x.doubles.map { 1 / (1 + exp(-$0)) }, [7, 3])
    expectEqual(Tensor([-1000, 0, 1000]).sigmoid(), [0, 0.5, 1], [3])
    expectGradient(of: { $0.sigmoid() }, at: Tensor.random([5, 7], seed: 7, in: -4...4))
  }

  @Test func siluFarOut() {
    let x = Tensor([-1000, -100, -88, -20, 0, 20, 100, 3e38])
    expectEqual(x.silu(), x.doubles.map(Self.silu), [8])
  }

  /// A value on the limit was not cut: its gradient passes.
  @Test func clampAndItsKinks() throws {
    let x = Tensor([-3, -1, -0.5, 0, 0.5, 2, 3, .infinity]).tracked()
    let y = x.clamped(to: -1...2)
    expectEqual(y, [-1, -1, -0.5, 0, 0.5, 2, 2, 2], [8], rtol: 0, atol: 0)
    let dy = Tensor([1, 2, 3, 4, 5, 6, 7, 8])
    let dx = try #require((y * dy).sum().gradients()[x])
    expectEqual(dx, [0, 2, 3, 4, 5, 6, 0, 0], [8], rtol: 0, atol: 0)
    #expect(Tensor([.nan]).clamped(to: 0...1).scalar.isNaN)
  }
}

@Suite struct OpsRotaryTests {
  /// (a, b) → (a cos - b sin, b cos + a sin) with half-split pairs, straight from the definition.
  static func rotate(_ x: [Double], rows: Int, heads: Int, d: Int, base: Double, positions: [Int32]) -> [Double] {
    var out = x
    for row in 0..<rows {
      for head in 0..<heads {
        for i in 0..<d / 2 {
          let angle = Double(positions[row]) * pow(base, -2 * Double(i) / Double(d))
          let at = (row * heads + head) * d + i
          out[at] = x[at] * cos(angle) - x[at + d / 2] * sin(angle)
          out[at + d / 2] = x[at + d / 2] * cos(angle) + x[at] * sin(angle)
        }
      }
    }
    return out
  }

  @Test(arguments: [(rows: 1, heads: 1, d: 2), (5, 3, 6), (300, 4, 32)])
  func forward(rows: Int, heads: Int, d: Int) {
    let table = RotaryTable(headDimension: d, base: 10_000, positions: 50)
    let positions = (0..<rows).map { Int32(($0 * 7) % 50) }
    let x = Tensor.random([rows, heads * d], seed: 4)
    let expected = Self.rotate(x.doubles, rows: rows, heads: heads, d: d, base: 10_000, positions: positions)
    // Angles are float32, as in transformers: at 50 rad half a unit in the last place is 2e-6.
    expectEqual(x.rotated(table, positions: positions), expected, [rows, heads * d], atol: 1e-5)
    if rows < 10 { expectGradient(of: { $0.rotated(table, positions: positions) }, at: x) }
  }

  /// Neighbours 2i, 2i + 1 in the last d of a wider head: the same as halves of those values in another order.
  @Test func neighboursOfTheLastPartOfAHead() {
    let (rows, heads, width, d) = (5, 3, 10, 6)
    let positions = (0..<rows).map { Int32($0 * 3) }
    let x = Tensor.random([rows, heads * width], seed: 8)
    let source = x.doubles
    var expected = source
    for row in 0..<rows {
      for head in 0..<heads {
        let start = row * heads * width + head * width + width - d
        let part = (0..<d / 2).map { source[start + 2 * $0] } + (0..<d / 2).map { source[start + 2 * $0 + 1] }
        let turned = Self.rotate(part, rows: 1, heads: 1, d: d, base: 10_000, positions: [positions[row]])
        for i in 0..<d / 2 {
          (expected[start + 2 * i], expected[start + 2 * i + 1]) = (turned[i], turned[d / 2 + i])
        }
      }
    }
    let table = RotaryTable(headDimension: d, base: 10_000, positions: 20, pairing: .neighbours)
    let rotated = { (x: Tensor) in x.rotated(table, positions: positions, headWidth: width) }
    expectEqual(rotated(x), expected, x.shape, atol: 1e-5)
    expectGradient(of: rotated, at: x)
  }

  /// Linear scaling by 4 turns position 4p as p is turned; YaRN leaves the fastest pair and slows the slowest to a
  /// quarter.
  @Test func stretchedAngles() {
    let x = Tensor.random([1, 32], seed: 9)
    let plain = RotaryTable(headDimension: 32, base: 10_000, positions: 64)
    let linear = RotaryTable(headDimension: 32, base: 10_000, positions: 64, scaling: .linear(factor: 4))
    expectEqual(x.rotated(linear, positions: [12]), x.rotated(plain, positions: [3]).doubles, [1, 32])
    let stretch = YaRN(factor: 4, originalPositions: 256, attentionFactor: 1.25)
    let yarn = RotaryTable(headDimension: 32, base: 10_000, positions: 64, scaling: .yarn(stretch))
    let stretched = x.rotated(yarn, positions: [12]).doubles.map { $0 / 1.25 }
    for (pair, position) in [(0, Int32(12)), (15, 3)] {
      let expected = x.rotated(plain, positions: [position]).doubles
      #expect(abs(stretched[pair] - expected[pair]) <= 1e-5 && abs(stretched[16 + pair] - expected[16 + pair]) <= 1e-5)
    }
  }

  @Test func positionZeroChangesNothingAndLengthsStay() {
    let table = RotaryTable(headDimension: 8, base: 500_000, positions: 1000)
    let x = Tensor.random([3, 16], seed: 5)
    #expect(bits(x.rotated(table, positions: [0, 0, 0])) == bits(x))
    let y = x.rotated(table, positions: [1, 999, 17])
    #expect(abs(y.sumOfSquares - x.sumOfSquares) <= 1e-5 * x.sumOfSquares)
  }

  @Test func positionBeyondTheTableTraps() async {
    await #expect(processExitsWith: .failure) {
      let table = RotaryTable(headDimension: 2, base: 10, positions: 4)
      _ = Tensor.zeros([1, 2]).rotated(table, positions: [4])
    }
  }
}
