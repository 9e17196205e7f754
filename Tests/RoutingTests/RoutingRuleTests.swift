@testable import Placements
import Formats
import Foundation
import TestSupport
import Testing

@testable import Routing

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
    _ geometry: Geometry, _ policy: RoutingPolicy, _ source: WeightSource = .own, seed: UInt64 = 3,
    score: GroupScore = .topNSum
  ) throws -> RoutingRule {
    var generator = SplitMix64(seed: seed)
    var table = (0..<geometry.experts * geometry.experts).map { _ in Float(generator.below(9)) / 8 }
    for expert in 0..<geometry.experts { table[expert * geometry.experts + expert] = 1 }
    return try RoutingRule(
      experts: geometry.experts, topK: geometry.topK,
      placement: PlacementMethod.random(experts: geometry.experts, devices: geometry.devices, seed: seed, layer: 0),
      devices: geometry.devices, policy: policy, deviceLimit: geometry.limit,
      tables: PolicyTables(
        similarity: table, partners: partners(geometry, seed: seed),
        keptExperts: (1...geometry.devices).map { min(1 + 0.45 * Double($0), Double(geometry.topK)) }),
      weightSource: source, options: PolicyOptions(epsilon: 0.2, similarityThreshold: 0.8, groupScore: score),
      seed: seed, selection: geometry.selection)
  }

  /// Random partners, between k − 1 and E − 1 of them.
  private static func partners(_ geometry: Geometry, seed: UInt64) -> [Int32] {
    var generator = SplitMix64(seed: seed, item: 5)
    let width = (geometry.topK - 1 + geometry.experts) / 2
    return (0..<geometry.experts).flatMap { expert in
      (0..<geometry.experts).filter { $0 != expert }.shuffled(using: &generator).prefix(width).map(Int32.init)
    }
  }

  @Test(arguments: RoutingPolicy.allCases, geometries)
  func equalsTheReadableReference(policy: RoutingPolicy, geometry: Geometry) throws {
    let scores = policy == .groupLimited ? GroupScore.allCases : [.max]
    for (source, score) in WeightSource.allCases.flatMap({ source in scores.map { (source, $0) } }) {
      let rule = try Self.rule(geometry, policy, source, score: score)
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
      #expect([.drop, .outputSimilarity, .fewerExperts].contains(policy) || used.count == k)
      if policy != .none && policy != .fewerExperts { #expect(hit <= min(geometry.limit ?? devices, devices)) }
      if used.count == k { #expect((k * devices + experts - 1) / experts <= hit && hit <= min(k, devices)) }
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
    for policy in [RoutingPolicy.router, .mass, .groupLimited, .randomDevices, .drop, .similarity, .fewerExperts] {
      #expect(try probability(policy) < best)
    }
    #expect(try probability(.none) > best)
    #expect(try probability(.randomDevices) < probability(.router))
  }

  @Test(arguments: RoutingPolicy.allCases) func splitsGiveTheSameResult(policy: RoutingPolicy) throws {
    let rule = try Self.rule(Self.geometries[0], policy)
    let p = randomProbabilities(tokens: 50, experts: 64, seed: 2)
    let whole = rule.route(p, firstToken: 100)
    let first = rule.route(Array(p[..<(20 * 64)]), firstToken: 100)
    let second = rule.route(Array(p[(20 * 64)...]), firstToken: 120)
    #expect(whole.used == first.used + second.used)
    let draws = policy == .randomDevices || policy == .fewerExperts
    #expect((rule.route(p, firstToken: 0).used != whole.used) == draws)
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
      limit: Int? = 2, tables: PolicyTables = PolicyTables(), options: PolicyOptions = PolicyOptions(),
      slack: Bool = false
    ) -> String {
      let groups = placement ?? (0..<experts).map { $0 * max(devices, 1) / experts }
      do throws(RoutingError) {
        _ = try RoutingRule(
          experts: experts, topK: topK, placement: groups, devices: devices, policy: policy, deviceLimit: limit,
          tables: tables, options: options, slack: slack)
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
    let profiled = "; try --profile with a file that 'occult profile' wrote, or policy router"
    for policy in [RoutingPolicy.similarity, .outputSimilarity] {
      #expect(
        message(policy: policy)
          == "policy \(policy.rawValue): expected a similarity table for every layer, found none\(profiled)")
      #expect(
        message(policy: policy, tables: PolicyTables(similarity: [1]))
          == "similarity: expected 64 values, found 1; try a profile of this model")
    }
    #expect(
      message(policy: .collaborationConstrained, limit: nil)
        == "policy c2r: expected a table of partners for every layer, found none\(profiled)")
    #expect(
      message(topK: 3, policy: .collaborationConstrained, limit: nil, tables: PolicyTables(partners: [1, 0, 0, 0]))
        == "partners: expected 16 values, found 4; try a profile of this model")
    #expect(
      message(policy: .collaborationConstrained, tables: PolicyTables(partners: [1, 0, 0, 0, 0, 0, 6, 0]))
        == "partners: expert 6: expected different other experts in 0..<8, found others; try a profile of this model")
    #expect(
      message(policy: .fewerExperts)
        == "policy fewer_experts: expected numbers of experts to keep for every layer, found none\(profiled)")
    #expect(
      message(policy: .fewerExperts, tables: PolicyTables(keptExperts: [1, .nan, 2, 2]))
        == "kept_experts: expected a number in 1...2, found nan")
    #expect(message(options: PolicyOptions(epsilon: .nan)) == "epsilon: expected 0 ≤ ε < 1, found nan")
    #expect(
      message(options: PolicyOptions(similarityThreshold: .nan))
        == "similarity_threshold: expected a finite number, found nan")
    #expect(
      message(topK: 4, options: PolicyOptions(partners: 2))
        == "partners: expected at least top_k − 1 = 3, found 2; try 8")
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
