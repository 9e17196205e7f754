import Tensors
import Testing

@testable import ExpertParallel

/// The two re-index matrices, by hand: six experts, of which devices 0, 1 and 2 have {1, 4}, {0, 2} and {3, 5}.
@Suite struct DispatchPlanTests {
  private static let expertDevice = [1, 0, 1, 2, 0, 2]
  /// Token 0 uses experts 4, 1 and 3; token 1 uses 0 alone; token 2 none; token 3 uses 5, 2 and 3.
  private static let used: [Int32] = [4, 1, 3, 0, -1, -1, -1, -1, -1, 5, 2, 3]

  @Test func oneRowForEachTokenAndDevice() {
    let plan = DispatchPlan(used: Self.used, topK: 3, expertDevice: Self.expertDevice, devices: 3)
    #expect(plan.table == [0, -1, 3, -1, 1, -1, -1, -1, -1, -1, 2, 4])
    #expect(plan.rowOffsets == [0, 1, 3, 5])
    #expect(plan.rowTokens == [0, 1, 3, 0, 3])
    // A row's slots in the order in which its token sums.
    #expect(plan.slots == [0, 1, 3, 10, 2, 9, 11] && plan.slotOffsets == [0, 2, 3, 4, 5, 7])
    #expect(plan.localExperts == [1, 0, 0, 1, 0, 1, 0])
  }

  @Test func oneRowForEachExpertWhereNaive() {
    let plan = DispatchPlan(used: Self.used, topK: 3, expertDevice: Self.expertDevice, devices: 3, mode: .naive)
    #expect(plan.table == [0, 1, 4, 2, -1, -1, -1, -1, -1, 5, 3, 6])
    #expect(plan.rowOffsets == [0, 2, 4, 7] && plan.rowTokens == [0, 0, 1, 3, 0, 3, 3])
    #expect(plan.slots == [0, 1, 3, 10, 2, 9, 11])
  }

  /// What device 2 makes of the rows that it is sent, and the way back of the weights' gradients.
  @Test func theReceiverFindsExpertsAndWeights() {
    let plan = DispatchPlan(used: Self.used, topK: 3, expertDevice: Self.expertDevice, devices: 3)
    let weights = (0..<12).map { Float($0) / 8 }
    let sections = ByteSections([RowMetadata.byteCount(rows: 2, entries: 3), 0, 0])
    weights.withUnsafeBufferPointer { weights in
      guard let address = weights.baseAddress else { return }
      RowMetadata.write(plan, device: 2, weights: address, into: sections[0])
    }
    let received = ReceivedRows([(rank: 0, rows: 2, entries: 3)], metadata: sections)
    #expect(received.width == 2 && received.chosen == [0, -1, 1, 0])
    #expect((0..<4).map { received.weights.floats[$0] } == [0.25, 0, 1.125, 1.375])
    let back = ByteSections([12])
    received.writeWeightGradients(received.weights, source: 0, into: back[0])
    let gradients = (0..<3).map { back[0].loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
    #expect(gradients == [0.25, 1.125, 1.375])
  }
}
