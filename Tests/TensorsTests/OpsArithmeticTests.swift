import Testing

@testable import Tensors

/// Broadcasting arithmetic against the definition, index by index.
@Suite struct OpsArithmeticTests {
  struct Shapes: CustomTestStringConvertible {
    let a: [Int], b: [Int], result: [Int]
    var testDescription: String { "\(a) and \(b)" }
  }
  static let shapes = [
    Shapes(a: [], b: [], result: []),
    Shapes(a: [5], b: [5], result: [5]),
    Shapes(a: [3, 5], b: [3, 5], result: [3, 5]),
    Shapes(a: [3, 5], b: [5], result: [3, 5]),
    Shapes(a: [3, 5], b: [1, 5], result: [3, 5]),
    Shapes(a: [3, 5], b: [3, 1], result: [3, 5]),
    Shapes(a: [3, 1], b: [1, 5], result: [3, 5]),
    Shapes(a: [3, 5], b: [], result: [3, 5]),
    Shapes(a: [], b: [3, 5], result: [3, 5]),
    Shapes(a: [2, 1, 4], b: [2, 3, 4], result: [2, 3, 4]),
    Shapes(a: [2, 3, 4], b: [3, 1], result: [2, 3, 4]),
    Shapes(a: [1, 3, 1, 2], b: [2, 1, 4, 1], result: [2, 3, 4, 2]),
    Shapes(a: [3, 1], b: [3, 1], result: [3, 1]),
    Shapes(a: [0, 5], b: [5], result: [0, 5]),
    Shapes(a: [3, 0], b: [3, 1], result: [3, 0]),
    // More than one block of rows.
    Shapes(a: [300, 257], b: [300, 1], result: [300, 257]),
  ]
  /// An operator in single and in double precision.
  static var operators: [(Tensor.Binary, (Double, Double) -> Double)] { [(+, +), (-, -), (*, *), (/, /)] }

  /// The element of `x` that broadcasting pairs with element `index` of `shape`.
  static func broadcast(_ x: Tensor, _ elements: [Double], to shape: [Int], at index: Int) -> Double {
    var (rest, offset, step) = (index, 0, 1)
    for back in 1...max(shape.count, 1) where back <= shape.count {
      let extent = shape[shape.count - back]
      let position = rest % extent
      rest /= extent
      guard back <= x.shape.count else { continue }
      let own = x.shape[x.shape.count - back]
      offset += own == 1 ? 0 : position * step
      step *= own
    }
    return elements[offset]
  }

  @Test(arguments: shapes) func forward(_ shapes: Shapes) {
    let a = Tensor.random(shapes.a, seed: 1, in: -2...2)
    let b = Tensor.random(shapes.b, seed: 2, in: 0.5...2)
    let (x, y) = (a.doubles, b.doubles)
    for (op, reference) in Self.operators {
      let expected = (0..<shapes.result.reduce(1, *)).map {
        reference(
          Self.broadcast(a, x, to: shapes.result, at: $0), Self.broadcast(b, y, to: shapes.result, at: $0))
      }
      expectEqual(op(a, b), expected, shapes.result)
    }
  }

  @Test(arguments: shapes.filter { $0.result.reduce(1, *) > 0 && $0.result.reduce(1, *) < 1000 })
  func gradients(_ shapes: Shapes) {
    let a = Tensor.random(shapes.a, seed: 1, in: -2...2)
    let b = Tensor.random(shapes.b, seed: 2, in: 0.5...2)
    for (op, _) in Self.operators { expectGradients(of: { op($0[0], $0[1]) }, at: [a, b]) }
  }

  @Test func scalars() {
    let a = Tensor.random([3, 7], seed: 3)
    expectEqual(a + 1.5, a.doubles.map { $0 + 1.5 }, [3, 7])
    expectEqual(a * -0.25, a.doubles.map { $0 * -0.25 }, [3, 7])
    expectEqual(-a, a.doubles.map { -$0 }, [3, 7])
    expectGradient(of: { ($0 + 1.5) * $0 }, at: a)
    expectGradient(of: { $0 * -0.25 }, at: a)
    expectGradient(of: { -$0 }, at: a)
  }

  @Test func bfloat16OperandsAreConverted() {
    let a = Tensor.random([4, 6], seed: 4)
    let w = Tensor.random([6], seed: 5).stored(as: .bfloat16)
    let expected = (0..<24).map { a.doubles[$0] * w.doubles[$0 % 6] }
    expectEqual(a * w, expected, [4, 6])
    expectGradient(of: { $0 * w }, at: a)
  }

  @Test func infinitiesAndNaNPass() {
    let a = Tensor([1, -1, 0, .nan])
    let result = (a / Tensor([0, 0, 0, 1])).elements
    #expect(result[0] == .infinity && result[1] == -.infinity && result[2].isNaN && result[3].isNaN)
  }

  @Test func shapesThatDoNotFitTrap() async {
    await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]) + Tensor.zeros([2]) }
  }
}

extension Tensor {
  /// An operator of two tensors.
  typealias Binary = (Tensor, Tensor) -> Tensor
}
