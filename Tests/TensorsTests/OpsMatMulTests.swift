import Testing

@testable import Tensors

/// Products at sizes that take every way through the code: matrix-vector, one call, blocks of rows, blocks of columns.
@Suite struct OpsMatMulTests {
  struct Size: CustomTestStringConvertible {
    let m: Int, n: Int, k: Int
    var testDescription: String { "\(m) × \(n), adding up \(k)" }
    var isSmall: Bool { m * n * k < 10_000 }
  }
  static let sizes = [
    Size(m: 1, n: 1, k: 1), Size(m: 3, n: 5, k: 7), Size(m: 1, n: 17, k: 31), Size(m: 4, n: 9, k: 65),
    Size(m: 5, n: 9, k: 65), Size(m: 31, n: 33, k: 17),
    Size(m: 1, n: 203, k: 1001),  // matrix-vector in blocks of columns
    Size(m: 301, n: 37, k: 19),  // blocks of rows
    Size(m: 7, n: 517, k: 61),  // blocks of columns
    Size(m: 0, n: 3, k: 4), Size(m: 3, n: 0, k: 4), Size(m: 6, n: 3, k: 0),
  ]

  @Test(arguments: sizes) func matMul(_ size: Size) {
    let (m, n, k) = (size.m, size.n, size.k)
    let (a, b) = (Tensor.random([m, k], seed: 1), Tensor.random([k, n], seed: 2))
    expectEqual(a.matMul(b), referenceProduct(a.doubles, b.doubles, m: m, n: n, k: k), [m, n], atol: 1e-5)
    if size.isSmall, m * n * k > 0 { expectGradients(of: { $0[0].matMul($0[1]) }, at: [a, b]) }
  }

  @Test(arguments: sizes) func matMulTransposed(_ size: Size) {
    let (m, n, k) = (size.m, size.n, size.k)
    let (a, b) = (Tensor.random([m, k], seed: 3), Tensor.random([n, k], seed: 4))
    let expected = referenceProduct(a.doubles, b.doubles, m: m, n: n, k: k, transposeB: true)
    expectEqual(a.matMulTransposed(b), expected, [m, n], atol: 1e-5)
    if size.isSmall, m * n * k > 0 { expectGradients(of: { $0[0].matMulTransposed($0[1]) }, at: [a, b]) }
  }

  /// The gradients of large products are cut into blocks as well.
  @Test func gradientsOfLargeProducts() throws {
    let (m, n, k) = (301, 37, 19)
    let (x, w) = (Tensor.random([m, k], seed: 7).tracked(), Tensor.random([n, k], seed: 8).tracked())
    let dy = Tensor.random([m, n], seed: 9)
    let gradients = (x.matMulTransposed(w) * dy).sum().gradients()
    let dx = try #require(gradients[x])
    let dw = try #require(gradients[w])
    expectEqual(dx, referenceProduct(dy.doubles, w.doubles, m: m, n: k, k: n), [m, k], atol: 1e-5)
    expectEqual(dw, referenceProduct(dy.doubles, x.doubles, m: n, n: k, k: m, transposeA: true), [n, k], atol: 1e-5)
  }

  @Test(arguments: [1, 4, 5, 40]) func bfloat16Weights(m: Int) {
    let (n, k) = (67, 33)
    let x = Tensor.random([m, k], seed: 10)
    let w = Tensor.random([n, k], seed: 11).stored(as: .bfloat16)
    let expected = referenceProduct(x.doubles, w.doubles, m: m, n: n, k: k, transposeB: true)
    expectEqual(x.matMulTransposed(w), expected, [m, n], atol: 1e-5)
    expectGradient(of: { $0.matMulTransposed(w) }, at: x)
    let v = Tensor.random([k, n], seed: 12).stored(as: .bfloat16)
    expectEqual(x.matMul(v), referenceProduct(x.doubles, v.doubles, m: m, n: n, k: k), [m, n], atol: 1e-5)
    expectGradient(of: { $0.matMul(v) }, at: x)
  }

  @Test func leadingAxesAreRows() {
    let (x, w) = (Tensor.random([2, 3, 5], seed: 13), Tensor.random([4, 5], seed: 14))
    let expected = referenceProduct(x.doubles, w.doubles, m: 6, n: 4, k: 5, transposeB: true)
    expectEqual(x.matMulTransposed(w), expected, [2, 3, 4])
    expectEqual(x.matMul(w.transposed()), expected, [2, 3, 4])
    expectGradients(of: { $0[0].matMulTransposed($0[1]) }, at: [x, w])
  }

  /// The converted copy of bfloat16 weights must outlive the product: other threads take and fill blocks of its size.
  @Test func convertedWeightsOutliveTheProduct() async {
    let (m, n, k) = (64, 96, 80)
    let x = Tensor.random([m, k], seed: 15)
    let w = Tensor.random([n, k], seed: 16).stored(as: .bfloat16)
    let expected = bits(x.matMulTransposed(w.stored(as: .float32)))
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<2 {
        group.addTask {
          for _ in 0..<2000 { withExtendedLifetime(Tensor.full([n, k], .nan)) {} }
          return true
        }
        group.addTask { (0..<200).allSatisfy { _ in bits(x.matMulTransposed(w)) == expected } }
      }
      for await ok in group { #expect(ok) }
    }
  }

  @Test func shapesThatDoNotFitTrap() async {
    await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]).matMulTransposed(Tensor.zeros([4, 2])) }
    await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]).matMul(Tensor.zeros([2, 3])) }
  }
}
