import Testing

@testable import Tensors

@Suite struct AutogradTests {
  @Test func valueUsedTwiceAddsUp() throws {
    let x = Tensor([2, -3]).tracked()
    // x² + 3x + x: 2x + 4
    let gradient = (x * x + x * 3 + x).sum().gradients()[x]
    expectEqual(try #require(gradient), [8, -2], [2], rtol: 0, atol: 0)
    let same = (x + x).sum().gradients()[x]
    expectEqual(try #require(same), [2, 2], [2], rtol: 0, atol: 0)
    // One value reached over ways of different length.
    let y = x * 2
    let far = ((y * 1 * 1 * 1) + y).sum().gradients()[x]
    expectEqual(try #require(far), [4, 4], [2], rtol: 0, atol: 0)
  }

  /// One matrix as embedding and as output projection.
  @Test func tiedLeaf() {
    let ids: [Int32] = [3, 0, 3, 1]
    expectGradient(
      of: { $0.gatherRows(ids).crossEntropy(projectedBy: $0, targets: [0, 3, 1, 2]).sum },
      at: .random([4, 3], seed: 1))
  }

  /// Adding up writes in place; neither the result's own values nor a gradient shared by two leaves may change.
  @Test func sharedGradientsAreNotOverwritten() throws {
    let (a, b) = (Tensor([1, 2]).tracked(), Tensor([3, 4]).tracked())
    let cotangent = Tensor([10, 20])
    // Both orders of walking: the shared gradient comes first in one of them.
    for loss in [(a + b) * cotangent + a * a, a * a + (a + b) * cotangent] {
      let gradients = loss.sum().gradients()
      expectEqual(try #require(gradients[a]), [12, 24], [2], rtol: 0, atol: 0)
      expectEqual(try #require(gradients[b]), [10, 20], [2], rtol: 0, atol: 0)
    }
    #expect(cotangent.elements == [10, 20])
    // The graph can be walked again.
    let loss = (a * b).sum()
    #expect(bits(loss.gradients()[a]) == bits(loss.gradients()[a]))
  }

  @Test func accumulationOverMicroBatches() throws {
    let w = Tensor.random([3, 2], seed: 2).tracked()
    let unused = Tensor([1]).tracked()
    let x = Tensor.random([4, 2], seed: 3)
    func loss(_ rows: [Int32]) -> Tensor { x.gatherRows(rows).matMulTransposed(w).silu().sum() }
    var total = Gradients()
    total.add(loss([0, 1]).gradients())
    let first = bits(total[w])
    let before = total
    total.add(loss([2, 3]).gradients())
    total.add(unused.sum().gradients())
    let whole = try #require(loss([0, 1, 2, 3]).gradients()[w])
    expectEqual(try #require(total[w]), whole.doubles, [3, 2])
    #expect(total.count == 2 && total[unused]?.elements == [1])
    #expect(bits(before[w]) == first, "a copy of the gradients must not change")
  }

  /// A leaf that is gone must not lend its address, and so its gradient, to the next one.
  @Test func gradientsKeepTheirLeaves() {
    var kept: [Gradients] = []
    for _ in 0..<50 {
      let fresh = Tensor([1]).tracked()
      for gradients in kept { #expect(gradients[fresh] == nil) }
      kept.append((fresh * 2).sum().gradients())
    }
  }

  @Test func untrackedValuesCostNothing() {
    let (a, b) = (Tensor.random([3], seed: 4), Tensor.random([3], seed: 5).tracked())
    #expect(!(a * a).isTracked && (a * b).isTracked)
    #expect((a * b).node?.edges.count == 1)
    let gradients = (a * b).sum().gradients()
    #expect(gradients[a] == nil && gradients.count == 1)
    #expect(a.sum().gradients().count == 0)
    // Detached: the same memory, no way back.
    let detached = (b * b).detached() * b
    let gradient = detached.sum().gradients()[b]
    #expect(bits(gradient) == bits(b.detached() * b.detached()))
  }

  @Test func trackedBFloat16IsAFloat32Leaf() throws {
    let stored = Tensor.random([2, 3], seed: 6).stored(as: .bfloat16)
    let leaf = stored.tracked()
    #expect(stored.dtype == .bfloat16 && leaf.dtype == .float32 && leaf.elements == stored.elements)
    let gradient = try #require((leaf * leaf).sum().gradients()[leaf])
    #expect(gradient.dtype == .float32)
    expectEqual(gradient, stored.doubles.map { 2 * $0 }, [2, 3], rtol: 0, atol: 0)
  }

  @Test func replaceChangesOneLeaf() {
    let (a, b) = (Tensor([1]).tracked(), Tensor([1]).tracked())
    var gradients = (a + b).sum().gradients(seed: 4)
    gradients.replace(a, with: Tensor([9]))
    #expect(gradients[a]?.elements == [9] && gradients[b]?.elements == [4])
  }

  @Test func onlyScalarsHaveGradients() async {
    await #expect(processExitsWith: .failure) { _ = Tensor([1, 2]).tracked().gradients() }
  }
}
