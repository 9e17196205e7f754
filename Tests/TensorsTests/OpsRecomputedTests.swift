import Testing

@testable import Tensors

@Suite struct OpsRecomputedTests {
  /// tanh-like in x, linear in w: both get gradients, in the bits of the plain graph.
  @Test func hasTheGradientsOfThePlainGraph() throws {
    let (x, w) = (Tensor.random([4, 6], seed: 1).tracked(), Tensor.random([5, 6], seed: 2).tracked())
    let body: @Sendable ([Tensor]) -> Tensor = { inputs in inputs[0].silu().matMulTransposed(w) * inputs[1] }
    let constant = Tensor.random([4, 5], seed: 3)
    let plain = body([x, constant])
    let again = Tensor.recomputed([x, constant], parameters: [w], body)
    #expect(bits(again) == bits(plain))
    let (a, b) = ((again * again).sum().gradients(), (plain * plain).sum().gradients())
    for leaf in [x, w] { #expect(bits(a[leaf]) == bits(b[leaf])) }
    #expect(a.count == 2 && b.count == 2)
  }

  @Test func costsNothingWhereNothingIsTracked() {
    let x = Tensor.random([3], seed: 4)
    #expect(!Tensor.recomputed([x], parameters: []) { $0[0].silu() }.isTracked)
  }

  /// A leaf that the body does not use has a gradient of zeros.
  @Test func unusedLeaf() throws {
    let (x, w) = (Tensor.random([3], seed: 5).tracked(), Tensor.random([2], seed: 6).tracked())
    let gradients = Tensor.recomputed([x], parameters: [w]) { $0[0] * 2 }.sum().gradients()
    #expect(try #require(gradients[w]).elements == [0, 0])
    #expect(try #require(gradients[x]).elements == [2, 2, 2])
  }
}
