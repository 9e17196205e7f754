import Testing

@testable import Tensors

@Suite struct OpsShapeTests {
  @Test func reshapeKeepsElementsAndMemory() {
    let x = Tensor.random([2, 6], seed: 1)
    let y = x.reshaped([3, 4])
    expectEqual(y, x.doubles, [3, 4], rtol: 0, atol: 0)
    #expect(y.storage === x.storage)
    expectGradient(of: { $0.reshaped([4, 3]) * $0.reshaped([4, 3]) }, at: x)
  }

  @Test(arguments: [[1, 1], [1, 7], [7, 1], [5, 3], [130, 301], [0, 4]]) func transpose(shape: [Int]) {
    let x = Tensor.random(shape, seed: 2)
    let (m, n) = (shape[0], shape[1])
    let source = x.doubles
    expectEqual(
      x.transposed(), (0..<m * n).map { source[$0 % max(m, 1) * n + $0 / max(m, 1)] }, [n, m], rtol: 0, atol: 0)
    if (1..<100).contains(x.count) { expectGradient(of: { $0.transposed() }, at: x) }
  }

  @Test(arguments: [[7], [3, 7], [2, 3, 7], [0, 7], [9000, 7]]) func splitAndConcatenate(shape: [Int]) {
    let x = Tensor.random(shape, seed: 3)
    let parts = x.split([2, 0, 4, 1])
    #expect(parts.map(\.columns) == [2, 0, 4, 1])
    let source = x.doubles
    expectEqual(
      parts[2], (0..<x.rows).flatMap { row in (2..<6).map { source[row * 7 + $0] } }, shape.dropLast() + [4], rtol: 0,
      atol: 0)
    expectEqual(Tensor.concatenate(parts), source, shape, rtol: 0, atol: 0)
    guard (1..<100).contains(x.count) else { return }
    expectGradient(of: { Tensor.concatenate($0.split([3, 4]).reversed()) }, at: x)
    expectGradient(of: { $0.columns(1..<4) }, at: x)
  }

  @Test func concatenateLeadsGradientsToTrackedPartsOnly() {
    let (a, b) = (Tensor.random([2, 3], seed: 4).tracked(), Tensor.random([2, 2], seed: 5))
    let joined = Tensor.concatenate([a, b])
    #expect(joined.node?.edges.count == 1)
    let gradients = (joined * Tensor.random([2, 5], seed: 6)).sum().gradients()
    #expect(gradients.count == 1 && gradients[a]?.shape == [2, 3] && gradients[b] == nil)
    expectGradients(of: { Tensor.concatenate($0) }, at: [a.detached(), b])
  }

  @Test func wrongSizesTrap() async {
    await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]).reshaped([4]) }
    await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]).split([1, 1]) }
  }
}
