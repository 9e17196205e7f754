import Foundation
import Testing

@testable import Tensors

/// Σ_r τ² KL(softmax(target / τ) ‖ softmax(z / τ)) in double precision, from the definition.
private func reference(_ z: [Double], _ target: [Double], columns: Int, temperature: Double) -> Double {
  func logSoftmax(_ row: ArraySlice<Double>) -> [Double] {
    let scaled = row.map { $0 / temperature }
    let peak = scaled.max() ?? 0
    let norm = peak + log(scaled.reduce(0) { $0 + exp($1 - peak) })
    return scaled.map { $0 - norm }
  }
  return stride(from: 0, to: z.count, by: columns).reduce(0) { sum, start in
    let q = logSoftmax(z[start..<start + columns])
    let p = logSoftmax(target[start..<start + columns])
    return sum + temperature * temperature * zip(p, q).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
  }
}

@Suite struct OpsDivergenceTests {
  @Test(arguments: [[1, 4], [3, 5], [2, 300]], [1, 2] as [Float]) func valueAndGradient(
    shape: [Int], temperature: Float
  ) {
    let z = Tensor.random(shape, seed: 1, in: -3...3)
    let target = Tensor.random(shape, seed: 2, in: -3...3)
    let value = z.divergence(from: target, temperature: temperature)
    let expected = reference(z.doubles, target.doubles, columns: shape[1], temperature: Double(temperature))
    expectEqual(value, [expected], [], rtol: 1e-5, atol: 1e-5)
    expectGradient(of: { $0.divergence(from: target, temperature: temperature) }, at: z)
    #expect(!z.divergence(from: target.tracked()).isTracked, "the target is constant")
  }

  @Test func equalLogitsUpToAnOffsetHaveNone() {
    let z = Tensor.random([4, 9], seed: 3, in: -20...20)
    let value = z.tracked().divergence(from: z + Tensor(5))
    #expect(abs(value.scalar) <= 1e-5)
    let leaf = z.tracked()
    let gradient = leaf.divergence(from: z).gradients()[leaf]
    #expect(gradient?.elements == [Float](repeating: 0, count: 36))
  }

  /// Chunks of rows give what logits that are kept give, with both gradients; the other model may have another width.
  @Test(arguments: [(3, 7), (150, 20_000)]) func projected(rows: Int, classes: Int) {
    #expect(classes < 20_000 || Kernels.divergenceRows(rows, classes: classes) < rows, "several chunks")
    let (x, w) = (Tensor.random([rows, 6], seed: 4).tracked(), Tensor.random([classes, 6], seed: 5).tracked())
    let (y, v) = (Tensor.random([rows, 5], seed: 6), Tensor.random([classes, 5], seed: 7))
    let fused = x.divergence(projectedBy: w, from: y, projectedBy: v, temperature: 2)
    let plain = x.matMulTransposed(w).divergence(from: y.matMulTransposed(v), temperature: 2)
    #expect(abs(fused.scalar - plain.scalar) <= 1e-4 * abs(plain.scalar))
    let (a, b) = (fused.gradients(seed: 0.5), plain.gradients(seed: 0.5))
    for leaf in [x, w] {
      let (found, expected) = (a[leaf]?.doubles ?? [], b[leaf]?.doubles ?? [.nan])
      let error = zip(found, expected).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
      let norm = expected.reduce(0) { $0 + $1 * $1 }.squareRoot()
      #expect(found.count == expected.count && error <= 1e-5 * norm, "\(error) of \(norm)")
    }
  }

  @Test func gradientsOfTheProjectedForm() {
    let (y, v) = (Tensor.random([3, 4], seed: 6), Tensor.random([9, 4], seed: 7))
    expectGradients(
      of: { $0[0].divergence(projectedBy: $0[1], from: y, projectedBy: v) },
      at: [.random([3, 4], seed: 8), .random([9, 4], seed: 9)])
  }

  /// A projection stored in bfloat16 counts as its float32 values, and is converted once where both models share it.
  @Test func halfPrecisionProjection() {
    let (x, y) = (Tensor.random([2, 4], seed: 1), Tensor.random([2, 4], seed: 2))
    let half = Tensor.random([5, 4], seed: 3).stored(as: .bfloat16)
    let full = half.stored(as: .float32)
    let value = x.divergence(projectedBy: half, from: y, projectedBy: half).scalar
    #expect(value == x.divergence(projectedBy: full, from: y, projectedBy: full).scalar && value > 0)
  }
}
