import Foundation
import Testing

@testable import Collaboration

@Suite struct RoutingRuleTests {
  struct Geometry: CustomTestStringConvertible {
    let experts: Int, topK: Int, devices: Int, limit: Int?
    var selection = ExpertSelection.greedy
    var testDescription: String {
      "\(experts)/\(topK) on \(devices), L \(limit.map(String.init) ?? "none"), \(selection)"
    }
  }
  static let geometries = [
    Geometry(experts: 64, topK: 8, devices: 4, limit: 2), Geometry(experts: 64, topK: 8, devices: 4, limit: 1),
    Geometry(experts: 12, topK: 4, devices: 6, limit: 2), Geometry(experts: 8, topK: 2, devices: 8, limit: 3),
    Geometry(experts: 20, topK: 4, devices: 5, limit: 3), Geometry(experts: 16, topK: 3, devices: 4, limit: nil),
    Geometry(experts: 16, topK: 16, devices: 1, limit: 1), Geometry(experts: 16, topK: 4, devices: 4, limit: 9),
    Geometry(experts: 24, topK: 3, devices: 4, limit: 2, selection: .groupLimited(groups: 6, kept: 3)),
    Geometry(experts: 24, topK: 4, devices: 3, limit: 1, selection: .groupLimited(groups: 12, kept: 2)),
  ]

  static func rule(
    _ geometry: Geometry, _ policy: RoutingPolicy, _ source: WeightSource = .own, seed: UInt64 = 3
  ) throws -> RoutingRule {
    var generator = SplitMix64(seed: seed)
    var table = (0..<geometry.experts * geometry.experts).map { _ in Float(generator.below(9)) / 8 }
    for expert in 0..<geometry.experts { table[expert * geometry.experts + expert] = 1 }
    return try RoutingRule(
      experts: geometry.experts, topK: geometry.topK,
      placement: PlacementMethod.random(experts: geometry.experts, devices: geometry.devices, seed: seed, layer: 0),
      devices: geometry.devices, policy: policy, deviceLimit: geometry.limit, similarity: table, weightSource: source,
      epsilon: 0.2, seed: seed, selection: geometry.selection)
  }

  @Test(arguments: RoutingPolicy.allCases, geometries)
  func equalsTheReadableReference(policy: RoutingPolicy, geometry: Geometry) throws {
    for source in WeightSource.allCases {
      let rule = try Self.rule(geometry, policy, source)
      var p = randomProbabilities(tokens: 60, experts: geometry.experts, seed: 11)
      p += randomProbabilities(tokens: 60, experts: geometry.experts, seed: 12, levels: 4)  // ties
      var withNaN = randomProbabilities(tokens: 30, experts: geometry.experts, seed: 13, levels: 9)
      for slot in stride(from: 0, to: withNaN.count, by: 3) { withNaN[slot] = .nan }
      p += withNaN + [Float](repeating: .nan, count: geometry.experts) + [Float](repeating: 0, count: geometry.experts)
      let routed = rule.route(p, firstToken: 7)
      for token in 0..<p.count / geometry.experts {
        let row = token * geometry.topK..<(token + 1) * geometry.topK
        let expected = RoutingReference(
          rule: rule, p: Array(p[token * geometry.experts..<(token + 1) * geometry.experts]), number: 7 + token
        ).route()
        let found = RoutingReference.Choice(
          chosen: routed.chosen[row].map(Int.init), used: routed.used[row].map(Int.init),
          sources: routed.sources[row].map(Int.init))
        try #require(found == expected, "\(policy) \(source) token \(token)")
      }
    }
  }

  @Test(arguments: RoutingPolicy.allCases, geometries)
  func staysWithinTheBounds(policy: RoutingPolicy, geometry: Geometry) throws {
    let rule = try Self.rule(geometry, policy)
    let (experts, k, devices) = (geometry.experts, geometry.topK, geometry.devices)
    let p = randomProbabilities(tokens: 200, experts: experts, seed: 5)
    let routed = rule.route(p)
    for token in 0..<200 {
      let used = routed.used[token * k..<(token + 1) * k].filter { $0 >= 0 }.map(Int.init)
      let hit = Set(used.map { rule.placement[$0] }).count
      #expect(Set(used).count == used.count)
      #expect(policy == .drop || used.count == k)
      if policy != .none { #expect(hit <= min(geometry.limit ?? devices, devices)) }
      if used.count == k { #expect((k * devices + experts - 1) / experts <= hit && hit <= min(k, devices)) }
    }
  }

  /// DeepSeek-V2's rule, devices by their best affinity, and the paper's walk keep the same devices.
  @Test func devicesByMaximumAreTheWalk() throws {
    let geometry = Self.geometries[0]
    let rule = try Self.rule(geometry, .router)
    let p = randomProbabilities(tokens: 300, experts: 64, seed: 21)
    let routed = rule.route(p)
    for token in 0..<300 {
      let row = Array(p[token * 64..<(token + 1) * 64])
      let best = (0..<4).sorted { left, right in
        let maximum = { (device: Int) in (0..<64).filter { rule.placement[$0] == device }.map { row[$0] }.max() ?? 0 }
        return maximum(left) > maximum(right)
      }.prefix(2)
      let expected = (0..<64).filter { best.contains(rule.placement[$0]) }.sorted { row[$0] > row[$1] }.prefix(8)
      let used = routed.used[token * 8..<(token + 1) * 8].map(Int.init)
      // A choice that lies on fewer devices than allowed is the same by either rule.
      #expect(used == Array(expected))
    }
  }

  @Test func policiesRankAsTheyShould() throws {
    let geometry = Self.geometries[0]
    let p = randomProbabilities(tokens: 400, experts: 64, seed: 8)
    func probability(_ policy: RoutingPolicy) throws -> Double {
      let used = try Self.rule(geometry, policy).route(p).used
      return used.enumerated().reduce(0.0) {
        $0 + ($1.element < 0 ? 0 : Double(p[$1.offset / 8 * 64 + Int($1.element)]))
      }
    }
    let best = try probability(.bestMass)
    for policy in [RoutingPolicy.router, .mass, .randomDevices, .drop, .similarity] {
      #expect(try probability(policy) < best)
    }
    #expect(try probability(.none) > best)
    #expect(try probability(.randomDevices) < probability(.router))
  }

  @Test func splitsGiveTheSameResult() throws {
    let rule = try Self.rule(Self.geometries[0], .randomDevices)
    let p = randomProbabilities(tokens: 50, experts: 64, seed: 2)
    let whole = rule.route(p, firstToken: 100)
    let first = rule.route(Array(p[..<(20 * 64)]), firstToken: 100)
    let second = rule.route(Array(p[(20 * 64)...]), firstToken: 120)
    #expect(whole.used == first.used + second.used)
    #expect(rule.route(p, firstToken: 0).used != whole.used)
  }

  @Test func saysWhatItIs() throws {
    let pruned = try Self.rule(Self.geometries[0], .router)
    #expect(!pruned.isUnpruned && !pruned.isDegenerate && pruned.choiceRatio == 4)
    #expect(try Self.rule(Self.geometries[2], .router).isDegenerate)
    #expect(try Self.rule(Self.geometries[7], .router).isUnpruned)
    #expect(try !Self.rule(Self.geometries[7], .adaptive).isUnpruned)
    #expect(try Self.rule(Self.geometries[0], .none).isUnpruned)
  }

  @Test func errorsAreThisText() {
    func message(
      experts: Int = 8, topK: Int = 2, placement: [Int]? = nil, devices: Int = 4, policy: RoutingPolicy = .router,
      limit: Int? = 2, similarity: [Float]? = nil, epsilon: Double = 0.1, slack: Bool = false
    ) -> String {
      let groups = placement ?? (0..<experts).map { $0 * max(devices, 1) / experts }
      do throws(RoutingError) {
        _ = try RoutingRule(
          experts: experts, topK: topK, placement: groups, devices: devices, policy: policy, deviceLimit: limit,
          similarity: similarity, epsilon: epsilon, slack: slack)
        return "no error"
      } catch { return error.description }
    }
    #expect(message() == "no error")
    #expect(message(topK: 9) == "top_k: expected 1...8 for 8 experts, found 9")
    #expect(message(devices: 9) == "devices: expected 1...8 for 8 experts, found 9; try a divisor of 8")
    #expect(message(devices: 0) == "devices: expected 1...8 for 8 experts, found 0; try a divisor of 8")
    #expect(message(devices: 3) == "devices: expected a divisor of 8 experts, found 3; try 2")
    #expect(message(placement: [0, 0, 0, 1, 1, 1, 2, 2], devices: 3, slack: true) == "no error")
    #expect(
      message(placement: [0, 1])
        == "placement: expected a device for each of 8 experts, found 2 entries; try a placement made for this model")
    #expect(
      message(placement: [0, 0, 1, 1, 2, 2, 3, 4]) == "placement: expert 7: expected a device in 0..<4, found 4")
    #expect(
      message(placement: [0, 0, 0, 1, 2, 2, 3, 3])
        == "placement: device 0: expected 2 experts, found 3; try a balanced placement, or ask for a capacity slack")
    #expect(message(limit: 0) == "device_limit: expected at least 1, found 0; try 1, or none to lift the limit")
    #expect(message(limit: 4) == "no error")
    #expect(message(limit: 99) == "no error")
    #expect(
      message(topK: 3, limit: 1)
        == "device_limit: expected devices that can hold top_k = 3 experts, found 2 experts on 1 (choice ratio below 1); "
        + "try device_limit 2")
    #expect(message(topK: 3, policy: .none, limit: 1) == "no error")
    #expect(
      message(policy: .similarity)
        == "policy similarity: expected a similarity table, found none; try profiling the model first, or policy router"
    )
    #expect(
      message(policy: .similarity, similarity: [1])
        == "similarity: expected 64 values (experts × experts), found 1")
    #expect(message(epsilon: .nan) == "epsilon: expected 0 ≤ ε < 1, found nan")
    #expect(
      message(experts: 34, devices: 17, policy: .bestMass, limit: 2)
        == "policy best_mass: expected at most 16 devices, because all sets are tried, found 17; try policy mass")
  }

  /// A slow machine passes as well; what is measured stands in the output of `OCCULT_TIMING=1 swift test`.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["OCCULT_TIMING"] != nil))
  func timing() throws {
    let tokens = 20_000
    let p = randomProbabilities(tokens: tokens, experts: 64, seed: 1)
    var chosen = [Int32](repeating: 0, count: tokens * 8)
    var used = chosen
    var sources = chosen
    for policy in RoutingPolicy.allCases {
      let rule = try Self.rule(Self.geometries[0], policy)
      let clock = ContinuousClock()
      let best = (0..<5).map { _ in
        clock.measure {
          p.withUnsafeBufferPointer { p in
            chosen.withUnsafeMutableBufferPointer { chosen in
              used.withUnsafeMutableBufferPointer { used in
                sources.withUnsafeMutableBufferPointer { sources in
                  rule.route(p, firstToken: 0, chosen: chosen, used: used, sources: sources)
                }
              }
            }
          }
        }
      }.min()
      print(policy.rawValue, (best ?? .zero) / tokens)
    }
  }
}
