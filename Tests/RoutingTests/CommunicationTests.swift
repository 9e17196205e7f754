import TestSupport
import Testing

@testable import Placements
@testable import Routing

@Suite struct CommunicationTests {
  /// 6 experts on 3 devices (0 0 1 1 2 2), k = 3, two tokens, counted by hand.
  @Test func countsByHand() {
    var counter = CommunicationCounter(devices: 3, topK: 3, placements: [[0, 0, 1, 1, 2, 2]], home: .known)
    // Token 0 at home on 0: chose 0, 2, 4 (p 0.4, 0.3, 0.1), uses 0, 2, 1. Token 1 at home on 2: keeps 2, 3, drops 5.
    counter.add(
      layer: 0, chosen: [0, 2, 4, 2, 3, 5], used: [0, 2, 1, 2, 3, -1],
      probabilities: [0.4, 0.1, 0.3, 0, 0.1, 0.1, 0, 0, 0.5, 0.25, 0, 0.25], homes: [0, 2])
    counter.endStep()
    let found = counter.statistics(layer: 0)
    #expect(found.tokens == 2)
    #expect(found.devicesPerToken == 1.5)  // {0, 1}, {1}
    #expect(found.chosenDevicesPerToken == 2.5)  // {0, 1, 2}, {1, 2}
    #expect(found.remoteCopies == 1)  // {1}, {1}
    #expect(found.naiveCopies == 3)
    #expect(found.naiveRemoteCopies == 2)  // 2 and 4; 2 and 3
    #expect(found.intraShare == 2.0 / 4)  // 0–1 of three pairs, 2–3 of one
    #expect(found.imbalanceRows == 9.0 / 5)  // rows 2, 3, 0
    #expect(found.imbalanceWire == 3)  // both copies go to device 1
    let retained: Double = (0.7 / 0.8 + 0.75) / 2
    #expect(abs((found.retainedMass ?? .nan) - retained) <= 1e-7)  // p is float32
    #expect(found.effectiveTopK == 2.5)
    #expect(!found.expected)
    #expect(found.bytesPerToken(hidden: 10, bytesPerElement: 4) == 40)
    #expect(found.naiveBytesPerToken(hidden: 10, bytesPerElement: 2) == 40)
  }

  @Test func expectedHomesAreTheMeanOverHomes() throws {
    let placement = PlacementMethod.contiguous(experts: 16, devices: 4)
    let rule = try RoutingRule(
      experts: 16, topK: 4, placement: placement, devices: 4, policy: .router, deviceLimit: 2)
    let p = randomProbabilities(tokens: 100, experts: 16, seed: 3)
    let routed = rule.route(p)
    var expected = CommunicationCounter(devices: 4, topK: 4, placements: [placement], home: .expected)
    expected.add(layer: 0, chosen: routed.chosen, used: routed.used)
    var known = CommunicationCounter(devices: 4, topK: 4, placements: [placement], home: .known)
    for home in 0..<4 {
      known.add(
        layer: 0, chosen: routed.chosen, used: routed.used, homes: [Int32](repeating: Int32(home), count: 100))
    }
    let (left, right) = (expected.statistics(), known.statistics())
    #expect(left.expected && left.retainedMass == nil)
    #expect(abs(left.remoteCopies - right.remoteCopies) <= 1e-12)
    #expect(abs(left.naiveRemoteCopies - right.naiveRemoteCopies) <= 1e-12)
    #expect(abs(left.imbalanceWire - right.imbalanceWire) <= 1e-12)
    #expect(left.devicesPerToken == right.devicesPerToken && left.devicesPerToken <= 2)
  }

  /// Steps of unequal balance: the mean of ratios, not the ratio of means; layers and parts add up in any order.
  @Test func imbalanceIsAMeanOverSteps() {
    let placement = [0, 1]
    func counter(_ steps: [[Int32]]) -> CommunicationCounter {
      var counter = CommunicationCounter(devices: 2, topK: 1, placements: [placement, placement], home: .expected)
      for step in steps {
        counter.add(layer: 0, chosen: step, used: step)
        counter.endStep()
      }
      return counter
    }
    #expect(counter([[0, 0], [1, 1]]).statistics(layer: 0).imbalanceRows == 2)
    #expect(counter([[0, 1], [1, 1]]).statistics(layer: 0).imbalanceRows == 1.5)
    #expect(counter([[0, 1], [1, 1]]).statistics(layer: 1).imbalanceRows == 1)  // nothing was computed
    #expect(counter([[0, 1], [1, 1]]).statistics().imbalanceRows == 1.5)
    var left = counter([[0, 1]])
    left.merge(counter([[1, 1]]))
    #expect(left.statistics() == counter([[0, 1], [1, 1]]).statistics())
    // Ranks of one step: tallies are summed first, then the step ends.
    var (one, two) = (counter([]), counter([]))
    one.add(layer: 0, chosen: [0, 0], used: [0, 0])
    two.add(layer: 0, chosen: [1, 1], used: [1, 1])
    var sum = one.step
    for layer in sum.indices { sum[layer] += two.step[layer] }
    one.replaceStep(sum)
    one.endStep()
    #expect(one.statistics(layer: 0).imbalanceRows == 1)
  }

  @Test func oneDeviceSendsNothing() {
    var counter = CommunicationCounter(devices: 1, topK: 2, placements: [[0, 0, 0]], home: .known)
    counter.add(layer: 0, chosen: [0, 1, 1, 2], used: [0, 1, 1, 2], homes: [0, 0])
    let found = counter.statistics()
    #expect(found.remoteCopies == 0 && found.naiveRemoteCopies == 0 && found.devicesPerToken == 1)
    #expect(found.intraShare == 1 && found.imbalanceRows == 1 && found.imbalanceWire == 1)
  }

  @Test func nanProbabilitiesLeaveRetainedMassAlone() {
    var counter = CommunicationCounter(devices: 1, topK: 1, placements: [[0, 0]], home: .expected)
    counter.add(layer: 0, chosen: [0, 1], used: [0, 1], probabilities: [.nan, .nan, 0.5, 0.5])
    #expect(counter.statistics().retainedMass == 1)
    #expect(counter.statistics().tokens == 2)
  }

  /// Without an effective limit the counted ways give the closed form; a limit of 1 leaves one device.
  @Test(arguments: [(64, 8, 4), (60, 4, 3), (128, 8, 16)])
  func randomExpectationUnderALimit(experts: Int, topK: Int, devices: Int) {
    func limited(_ limit: Int) -> Double {
      RandomExpectation.devicesPerToken(experts: experts, topK: topK, devices: devices, limit: limit)
    }
    let free = RandomExpectation.devicesPerToken(experts: experts, topK: topK, devices: devices)
    #expect(abs(limited(devices) - free) <= 1e-9)
    #expect(abs(limited(1) - 1) <= 1e-12)
    #expect(limited(2) > 1.5 && limited(2) <= 2 && limited(2) <= limited(3))
  }

  @Test(arguments: [
    (64, 8, [1.995, 3.659, 5.433, 6.751]), (60, 4, [1.888, 2.778]), (64, 6, [1.976, 3.345, 4.536, 5.316]),
    (128, 8, [1.994, 3.629, 5.339, 6.597]),
  ])
  func randomExpectationIsTheTable(experts: Int, topK: Int, expected: [Double]) {
    for (value, devices) in zip(expected, [2, 4, 8, 16]) {
      let found = RandomExpectation.devicesPerToken(experts: experts, topK: topK, devices: devices)
      #expect(abs(found - value) <= 0.0005)
    }
  }

  @Test func randomExpectationOfUnequalGroupsIsTheMeanOverSubsets() {
    // All 2-subsets of 4 experts on devices (0 0 0 1): three stay on device 0, three use both.
    #expect(abs(RandomExpectation.devicesPerToken(groupSizes: [3, 1], topK: 2) - 1.5) <= 1e-12)
    #expect(RandomExpectation.devicesPerToken(experts: 4, topK: 4, devices: 4) == 4)
  }
}
