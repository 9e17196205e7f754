import Testing

@testable import Tensors

@Suite struct OpsReductionsTests {
  @Test(arguments: [0, 1, 7, 1000, 32_768, 100_003]) func sums(count: Int) {
    let x = Tensor.random([count], seed: 1)
    let expected = x.doubles.reduce(0, +)
    expectEqual(x.sum(), [expected], [], rtol: 1e-6, atol: 1e-7)
    if count > 0 { expectEqual(x.mean(), [expected / Double(count)], [], rtol: 1e-6, atol: 1e-9) }
    let squares = x.doubles.reduce(0) { $0 + $1 * $1 }
    #expect(abs(x.sumOfSquares - squares) <= 1e-12 * squares)
  }

  /// In single precision the small numbers would be lost beside the large one.
  @Test func sumIsAddedUpInDouble() {
    #expect(Tensor([1e8] + Array(repeating: Float(1), count: 1000)).sum().scalar == 100_001_000)
  }

  struct Case: CustomTestStringConvertible {
    let shape: [Int], axis: Int
    var testDescription: String { "axis \(axis) of \(shape)" }
  }
  @Test(arguments: [
    Case(shape: [5], axis: 0), Case(shape: [3, 5], axis: 0), Case(shape: [3, 5], axis: 1),
    Case(shape: [2, 3, 4], axis: 0), Case(shape: [2, 3, 4], axis: 1), Case(shape: [2, 3, 4], axis: 2),
    Case(shape: [3, 1, 4], axis: 1), Case(shape: [3, 0], axis: 1), Case(shape: [200, 300], axis: 0),
    Case(shape: [200, 300], axis: 1), Case(shape: [100, 20, 30], axis: 1), Case(shape: [1, 2000], axis: 0),
  ])
  func sumOverAxis(_ test: Case) {
    let x = Tensor.random(test.shape, seed: 2)
    let inner = test.shape[(test.axis + 1)...].reduce(1, *)
    let extent = test.shape[test.axis]
    let outer = test.shape[..<test.axis].reduce(1, *)
    var expected = Array(repeating: 0.0, count: outer * inner)
    for (index, value) in x.doubles.enumerated() {
      expected[index / (extent * inner) * inner + index % inner] += value
    }
    var (kept, removed) = (test.shape, test.shape)
    kept[test.axis] = 1
    removed.remove(at: test.axis)
    expectEqual(x.sum(axis: test.axis), expected, removed, atol: 1e-5)
    expectEqual(x.sum(axis: test.axis, keepingAxis: true), expected, kept, atol: 1e-5)
    if x.count > 0, x.count < 1000 { expectGradient(of: { $0.sum(axis: test.axis) * 0.5 }, at: x) }
    if x.count > 0, x.count < 1000 { expectGradient(of: { $0.sum(axis: test.axis, keepingAxis: true) }, at: x) }
  }

  @Test(arguments: [[4], [3, 5], [2, 3, 4], [500, 130]]) func columnMeans(shape: [Int]) {
    let x = Tensor.random(shape, seed: 3)
    let (rows, columns) = (x.rows, x.columns)
    var expected = Array(repeating: 0.0, count: columns)
    for (index, value) in x.doubles.enumerated() { expected[index % columns] += value / Double(rows) }
    expectEqual(x.columnMeans(), expected, [columns])
    if x.count < 1000 { expectGradient(of: { $0.columnMeans() }, at: x) }
  }

  @Test func gradientsOfFullSums() {
    let x = Tensor.random([3, 5], seed: 4)
    expectGradient(of: { $0.sum() }, at: x)
    expectGradient(of: { ($0 * $0).mean() }, at: x)
  }

  @Test func finite() {
    for count in [0, 1, 17, 40_000] {
      var elements = Array(repeating: Float.greatestFiniteMagnitude, count: count)
      #expect(Tensor(elements).isFinite)
      guard count > 0 else { continue }
      for bad in [Float.nan, .infinity, -.infinity] {
        elements[count - 1] = bad
        #expect(!Tensor(elements).isFinite)
      }
    }
  }
}
