import Testing

@testable import Tensors

@Suite struct OpsGatherTests {
  @Test func gatherRowsWithRepeats() throws {
    let x = Tensor.random([5, 3], seed: 1)
    let indices: [Int32] = [4, 0, 4, 2, 4]
    let source = x.doubles
    expectEqual(
      x.gatherRows(indices), indices.flatMap { source[Int($0) * 3..<Int($0) * 3 + 3] }, [5, 3], rtol: 0, atol: 0)
    expectGradient(of: { $0.gatherRows(indices) }, at: x)
    // Row 4 three times, row 1 and 3 never.
    let leaf = x.tracked()
    let dx = try #require(leaf.gatherRows(indices).sum().gradients()[leaf])
    expectEqual(dx, [1, 0, 1, 0, 3].flatMap { [$0, $0, $0] }, [5, 3], rtol: 0, atol: 0)
    #expect(x.gatherRows([]).shape == [0, 3])
  }

  @Test func gatherRowsOfManyBlocks() throws {
    let (n, h, count) = (97, 130, 900)
    let x = Tensor.random([n, h], seed: 2).tracked()
    let indices = (0..<count).map { Int32(($0 * $0) % n) }
    let dy = Tensor.random([count, h], seed: 3)
    let y = x.gatherRows(indices)
    let (source, outer) = (x.doubles, dy.doubles)
    expectEqual(y, (0..<count * h).map { source[Int(indices[$0 / h]) * h + $0 % h] }, [count, h], rtol: 0, atol: 0)
    var expected = Array(repeating: 0.0, count: n * h)
    for slot in 0..<count { for j in 0..<h { expected[Int(indices[slot]) * h + j] += outer[slot * h + j] } }
    expectEqual(try #require((y * dy).sum().gradients()[x]), expected, [n, h], atol: 1e-5)
  }

  @Test func gatherRowsOfBFloat16() {
    let table = Tensor.random([6, 17], seed: 4).stored(as: .bfloat16)
    let y = table.gatherRows([5, 5, 1])
    #expect(y.dtype == .float32)
    #expect(bits(y) == bits(table.stored(as: .float32).gatherRows([5, 5, 1])))
  }

  @Test func gatherColumnsWithAbsent() throws {
    let x = Tensor.random([3, 4], seed: 7)
    let columns: [Int32] = [3, 0, -1, 2, 1, -1]
    let source = x.doubles
    expectEqual(
      x.gatherColumns(columns, k: 2), [source[3], source[0], 0, source[6], source[9], 0], [3, 2], rtol: 0, atol: 0)
    expectGradient(of: { $0.gatherColumns(columns, k: 2) }, at: x)
    let leaf = x.tracked()
    let dx = try #require(leaf.gatherColumns(columns, k: 2).sum().gradients()[leaf])
    expectEqual(dx, [1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0], [3, 4], rtol: 0, atol: 0)
  }

  @Test func indicesOutOfRangeTrap() async {
    await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]).gatherRows([2]) }
    await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]).gatherRows([-1]) }
    await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]).gatherColumns([3, 0], k: 1) }
  }
}
