import Routing
import Testing

/// Copies between nodes and inside them, by hand.
@Suite struct NodeLayoutTests {
  @Test func relaysHaveTheSendersNumber() {
    let layout = NodeLayout(devices: 6, nodes: 2)
    #expect(layout.perNode == 3 && (0..<6).map(layout.node) == [0, 0, 0, 1, 1, 1])
    #expect(layout.relays(of: 4) == [1, 4] && layout.relays(of: 2) == [2, 5])
    #expect(layout.members(of: 1) == 3..<6)
    #expect(NodeLayout(devices: 3).relay(from: 2, to: 0) == 2)
  }

  /// One expert on each of four devices, two nodes of two.
  private func counter(_ used: [[Int32]], homes: [Int32]?, nodes: Int = 2) -> CommunicationCounter {
    var counter = CommunicationCounter(
      devices: 4, topK: 3, placements: [[0, 1, 2, 3]], home: homes == nil ? .expected : .known, nodes: nodes)
    counter.add(layer: 0, chosen: used.flatMap { _ in [0, 1, 2] }, used: used.flatMap { $0 }, homes: homes)
    return counter
  }

  @Test func aNodeIsCrossedToOnce() {
    // From device 0: 2 is its relay on node 1 and hands on to 3; 1 is its neighbour.
    let first = counter([[1, 2, 3]], homes: [0]).step[0]
    #expect(first.remoteRows == 3 && first.nodeRows == 2 && first.betweenRows == 1 && first.insideRows == 2)
    #expect(first.receivedPerDevice == [0, 1, 1, 1])
    // From device 1: the relay 3 is not used itself, so both rows there come through it.
    let second = counter([[1, 2, 0]], homes: [1]).step[0]
    #expect(second.betweenRows == 1 && second.insideRows == 2 && second.receivedPerDevice == [1, 0, 1, 1])
    // Nothing but the own node, nothing but oneself.
    let third = counter([[0, 1, -1], [3, -1, -1]], homes: [1, 3]).step[0]
    #expect(third.betweenRows == 0 && third.insideRows == 1 && third.receivedPerDevice == [1, 0, 0, 0])
  }

  @Test func meansAndExpectations() {
    let known = counter([[1, 2, 3], [1, 2, 0]], homes: [0, 1]).statistics()
    #expect(known.nodesPerToken == 2 && known.copiesBetweenNodes == 1 && known.copiesInsideNodes == 2)
    #expect(known.remoteCopies == 2.5)
    let expected = counter([[1, 2, 3], [1, 2, 0]], homes: nil).statistics()
    #expect(expected.nodesPerToken == 2 && expected.copiesBetweenNodes == 1 && expected.copiesInsideNodes == 1.5)
    // The mean over all homes is what is expected.
    let homes = (0..<4).map { counter([[1, 2, 3]], homes: [Int32($0)]).statistics() }
    #expect(homes.reduce(0) { $0 + ($1.copiesBetweenNodes ?? .nan) } / 4 == 1)
    #expect(homes.reduce(0) { $0 + ($1.copiesInsideNodes ?? .nan) } / 4 == 1.5)
  }

  @Test func oneNodeIsSilent() {
    let one = counter([[1, 2, 3]], homes: [0], nodes: 1)
    #expect(one.statistics().copiesBetweenNodes == nil && one.statistics().nodesPerToken == nil)
    #expect(one.step[0].insideRows == one.step[0].remoteRows && one.step[0].betweenRows == 0)
  }
}
