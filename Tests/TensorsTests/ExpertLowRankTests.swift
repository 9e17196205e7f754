import Foundation
import Testing

@testable import Tensors

/// Low-rank terms inside the grouped expert product.
@Suite struct ExpertLowRankTests {
  /// Assignments of the plain product, with adapters on some places of the stack.
  struct Case: CustomTestStringConvertible {
    let plain: OpsExpertsTests.Case
    let indices: [Int32]
    let rank: Int
    var testDescription: String { "\(plain.testDescription), indices \(indices)" }

    /// x, gate weights, gate and up projection, down projection, then A and B of each.
    var inputs: [Tensor] {
      let n = indices.filter { $0 >= 0 }.count
      return plain.inputs + [
        .random([n, rank, plain.h], seed: 11), .random([n, 2 * plain.i, rank], seed: 12),
        .random([n, rank, plain.i], seed: 13), .random([n, plain.h, rank], seed: 14),
      ]
    }

    func apply(_ inputs: [Tensor]) -> Tensor {
      inputs[0].experts(
        plain.assignment, weights: inputs[1], gateUp: inputs[2], down: inputs[3],
        adapters: (
          ExpertLowRank(a: inputs[4], b: inputs[5], scale: 1.5, indices: indices),
          ExpertLowRank(a: inputs[6], b: inputs[7], scale: 0.75, indices: indices)
        ))
    }

    /// W + s · B · A of every expert, in double precision.
    func dense(_ weight: Tensor, _ a: Tensor, _ b: Tensor, scale: Double) -> [Double] {
      var sum = weight.doubles
      let (out, input) = (weight.shape[1], weight.shape[2])
      for (expert, index) in indices.enumerated() where index >= 0 {
        let (first, second) = (Int(index) * rank * input, Int(index) * out * rank)
        let product = referenceProduct(
          Array(b.doubles[second..<second + out * rank]), Array(a.doubles[first..<first + rank * input]), m: out,
          n: input, k: rank)
        for place in 0..<out * input { sum[expert * out * input + place] += scale * product[place] }
      }
      return sum
    }
  }

  static let cases = [
    Case(plain: OpsExpertsTests.cases[0], indices: [0], rank: 2),
    // Expert 1 is adapted and gets no token, 0 is not adapted, the order is not that of the places.
    Case(plain: OpsExpertsTests.cases[1], indices: [-1, 2, 0, 1], rank: 3),
    Case(plain: OpsExpertsTests.cases[2], indices: [1, -1, 0], rank: 1),
    Case(plain: OpsExpertsTests.cases[3], indices: [0, 1, 2], rank: 2),
    Case(plain: OpsExpertsTests.cases[4], indices: [-1, 0, 1], rank: 2),
  ]

  /// The product with W + s · B · A, and with G its gradient: dA = s · Bᵀ G, dB = s · G Aᵀ.
  @Test(arguments: cases) func againstDenseWeights(_ test: Case) throws {
    let inputs = test.inputs
    let (h, i) = (test.plain.h, test.plain.i)
    let dy = Tensor.random(inputs[0].shape, seed: 5)
    let dense = [
      test.dense(inputs[2], inputs[4], inputs[5], scale: 1.5), test.dense(inputs[3], inputs[6], inputs[7], scale: 0.75),
    ]
    let expected = OpsExpertsTests.reference(
      test.plain, up: dense[0], down: dense[1], x: inputs[0].doubles, w: inputs[1].doubles, dy: dy.doubles)
    expectEqual(test.apply(inputs), expected[0], inputs[0].shape, atol: 5e-6)

    let leaves = inputs.enumerated().map { (2...3).contains($0.offset) ? $0.element : $0.element.tracked() }
    let gradients = (test.apply(leaves) * dy).sum().gradients()
    #expect(gradients.count == 6, "no gradient of a frozen weight")
    for index in 0...1 {
      expectEqual(try #require(gradients[leaves[index]]), expected[index + 1], leaves[index].shape, atol: 5e-5)
    }
    for (whole, a, b, out, input, scale) in [(3, 4, 5, 2 * i, h, 1.5), (4, 6, 7, h, i, 0.75)] {
      var (dA, dB) = (inputs[a].doubles.map { _ in 0.0 }, inputs[b].doubles.map { _ in 0.0 })
      for (expert, index) in test.indices.enumerated() where index >= 0 {
        let (first, second) = (Int(index) * test.rank * input, Int(index) * out * test.rank)
        let g = Array(expected[whole][expert * out * input..<(expert + 1) * out * input]).map { $0 * scale }
        let (aRows, bRows) = (first..<first + test.rank * input, second..<second + out * test.rank)
        dA.replaceSubrange(
          aRows,
          with: referenceProduct(
            Array(inputs[b].doubles[bRows]), g, m: test.rank, n: input, k: out, transposeA: true))
        dB.replaceSubrange(
          bRows,
          with: referenceProduct(
            g, Array(inputs[a].doubles[aRows]), m: out, n: test.rank, k: input, transposeB: true))
      }
      expectEqual(try #require(gradients[leaves[a]]), dA, leaves[a].shape, atol: 1e-4)
      expectEqual(try #require(gradients[leaves[b]]), dB, leaves[b].shape, atol: 1e-4)
    }
  }

  @Test(arguments: cases.prefix(4)) func finiteDifferences(_ test: Case) {
    expectGradients(of: test.apply, at: test.inputs)
  }

  /// Each gradient by itself is the one computed along with the others.
  @Test func oneTrackedInputAtATime() throws {
    let test = Self.cases[1]
    let leaves = test.inputs.map { $0.tracked() }
    let all = test.apply(leaves).sum().gradients()
    for index in leaves.indices {
      var inputs = test.inputs
      inputs[index] = leaves[index]
      let alone = test.apply(inputs).sum().gradients()
      #expect(alone.count == 1 && !bits(all[leaves[index]]).isEmpty)
      #expect(bits(alone[leaves[index]]) == bits(all[leaves[index]]), "input \(index)")
    }
  }

  @Test func bfloat16Weights() throws {
    let test = Self.cases[4]
    var inputs = test.inputs
    for index in 2...3 { inputs[index] = inputs[index].stored(as: .bfloat16) }
    let expected = OpsExpertsTests.reference(
      test.plain, up: test.dense(inputs[2], inputs[4], inputs[5], scale: 1.5),
      down: test.dense(inputs[3], inputs[6], inputs[7], scale: 0.75), x: inputs[0].doubles, w: inputs[1].doubles,
      dy: inputs[0].doubles)
    expectEqual(test.apply(inputs), expected[0], inputs[0].shape, atol: 5e-6)
  }

  @Test func factorsThatDoNotFitTrap() async {
    await #expect(processExitsWith: .failure) {
      _ = ExpertLowRank(a: Tensor.zeros([1, 2, 3]), b: Tensor.zeros([1, 4, 3]), scale: 1, indices: [0])
    }
    await #expect(processExitsWith: .failure) {
      _ = ExpertLowRank(a: Tensor.zeros([1, 2, 3]), b: Tensor.zeros([1, 4, 2]), scale: 1, indices: [0, 1])
    }
    await #expect(processExitsWith: .failure) {
      _ = ExpertLowRank(a: Tensor.zeros([2, 2, 3]), b: Tensor.zeros([2, 4, 2]), scale: 1, indices: [1, 1])
    }
  }
}
