@testable import Placements
import Formats
import TestSupport
import Testing

@testable import Profiles
@testable import Routing

/// What holds for every rule, on random (p, π, L, k, E, D).
@Suite struct RoutingPropertyTests {
  /// A random layer, and tokens without ties.
  struct Case {
    let experts: Int, topK: Int, devices: Int, limit: Int?
    let placement: [Int]
    let tables: PolicyTables
    let options: PolicyOptions
    let p: [Float]
    let seed: UInt64

    static let tokens = 40

    init(seed: UInt64) {
      var generator = SplitMix64(seed: seed)
      let devices = 1 + generator.below(8)
      let size = 1 + generator.below(8)
      (self.devices, experts, self.seed) = (devices, devices * size, seed)
      let topK = 1 + generator.below(experts)
      let least = (topK + size - 1) / size
      self.topK = topK
      limit = generator.below(8) == 0 ? nil : least + generator.below(devices + 2 - least)
      let experts = experts
      placement = (0..<experts).map { $0 / size }.shuffled(using: &generator)
      let width = max(topK - 1, min(1, experts - 1))
      tables = PolicyTables(
        similarity: (0..<experts * experts).map { _ in Float(generator.uniform()) },
        partners: (0..<experts).flatMap { [generator] expert in
          var generator = generator
          return (0..<experts).filter { $0 != expert }.shuffled(using: &generator).prefix(width).map(Int32.init)
        },
        keptExperts: (0..<devices).map { _ in 1 + generator.uniform() * Double(topK - 1) })
      options = PolicyOptions(
        epsilon: generator.uniform(), similarityThreshold: generator.uniform(),
        groupScore: GroupScore.allCases[generator.below(3)])
      // Twenty bits of a draw repeat now and then: such tokens are left to the tests of ties.
      let drawn = randomProbabilities(tokens: 2 * Self.tokens, experts: experts, seed: seed)
      p = Array(
        (0..<2 * Self.tokens).map { drawn[$0 * experts..<($0 + 1) * experts] }
          .filter { Set($0).count == experts }.prefix(Self.tokens).joined())
    }

    func rule(
      _ policy: RoutingPolicy, _ source: WeightSource = .own, score: GroupScore? = nil, limit: Int? = nil
    ) throws -> RoutingRule {
      var options = options
      if let score { options.groupScore = score }
      return try RoutingRule(
        experts: experts, topK: topK, placement: placement, devices: devices, policy: policy,
        deviceLimit: limit ?? self.limit, tables: tables, weightSource: source, options: options, seed: seed)
    }

    /// The same layer with expert e under the number `number[e]`.
    func renumbered(_ number: [Int]) -> Case { Case(self, number) }

    private init(_ other: Case, _ number: [Int]) {
      (experts, topK, devices, limit) = (other.experts, other.topK, other.devices, other.limit)
      (options, seed) = (other.options, other.seed)
      let experts = other.experts
      func moved<T>(_ values: [T], width: Int) -> [T] {
        var result = values
        for row in 0..<values.count / (experts * width) {
          for expert in 0..<experts {
            for column in 0..<width {
              result[(row * experts + number[expert]) * width + column] =
                values[(row * experts + expert) * width + column]
            }
          }
        }
        return result
      }
      placement = moved(other.placement, width: 1)
      p = moved(other.p, width: 1)
      let partners = (other.tables.partners ?? []).map { Int32(number[Int($0)]) }
      // Columns move within each row, then rows.
      let columns = moved(other.tables.similarity ?? [], width: 1)
      tables = PolicyTables(
        similarity: moved(columns, width: experts),
        partners: experts == 1 ? partners : moved(partners, width: partners.count / experts),
        keptExperts: other.tables.keptExperts)
    }
  }

  @Test(arguments: RoutingPolicy.allCases) func boundsHold(policy: RoutingPolicy) throws {
    let shrinks = [RoutingPolicy.drop, .outputSimilarity, .fewerExperts].contains(policy)
    for seed in UInt64(0)..<40 {
      let layer = Case(seed: seed)
      let (experts, k, limit) = (layer.experts, layer.topK, min(layer.limit ?? layer.devices, layer.devices))
      for source in WeightSource.allCases {
        let rule = try layer.rule(policy, source)
        let routed = rule.route(layer.p)
        var broken: [String] = []
        for token in 0..<Case.tokens {
          func row(_ all: [Int32]) -> [Int] { all[token * k..<(token + 1) * k].filter { $0 >= 0 }.map(Int.init) }
          let (chosen, used, sources) = (row(routed.chosen), row(routed.used), row(routed.sources))
          let p = layer.p[token * experts..<(token + 1) * experts].map { $0 }
          let weights = sources.map { p[$0] }
          let hit = Set(used.map { layer.placement[$0] }).count
          let facts = [
            ("S is the top k", chosen == Array((0..<experts).sorted { p[$0] > p[$1] }.prefix(k))),
            ("no expert twice", Set(used).count == used.count && Set(sources).count == sources.count),
            ("a source for each", used.count == sources.count && !used.isEmpty),
            ("k experts", shrinks || used.count == k),
            ("whose weight", Set(sources).isSubset(of: source == .own ? used : used + chosen)),
            ("falling weights", zip(weights, weights.dropFirst()).allSatisfy { $0 >= $1 }),
            ("C_T ≤ L", policy == .none || policy == .fewerExperts || hit <= limit),
          ]
          broken += facts.filter { !$0.1 }.map { "\($0.0), token \(token)" }
        }
        #expect(broken.isEmpty, "\(source) seed \(seed)")
      }
    }
  }

  /// DeepSeek-V2's rule, devices by their best affinity, is the paper's, bit for bit; ties and NaN included.
  @Test func devicesByMaximumAreTheWalk() throws {
    var changed = 0
    for seed in UInt64(0)..<80 {
      let layer = Case(seed: seed)
      var p = layer.p + randomProbabilities(tokens: 20, experts: layer.experts, seed: seed, levels: 3)
      for slot in stride(from: 3, to: p.count, by: 7) { p[slot] = .nan }
      let (walk, scored) = (try layer.rule(.router), try layer.rule(.groupLimited, score: .max))
      for source in WeightSource.allCases {
        let (a, b) = (
          try layer.rule(.router, source).route(p), try layer.rule(.groupLimited, source, score: .max).route(p)
        )
        #expect(a.used == b.used && a.sources == b.sources, "seed \(seed)")
      }
      changed += walk.route(p).used == scored.route(p).chosen ? 0 : 1
    }
    #expect(changed > 15)
  }

  @Test(arguments: RoutingPolicy.allCases.filter { !$0.prunesWithoutLimit })
  func aLimitOfAllDevicesIsNone(policy: RoutingPolicy) throws {
    for seed in UInt64(0)..<40 {
      let layer = Case(seed: seed)
      for limit in [layer.devices, layer.devices + 3] {
        let routed = try layer.rule(policy, .inherited, limit: limit).route(layer.p)
        #expect(routed.used == routed.chosen && routed.sources == routed.chosen)
      }
    }
  }

  /// All partners, or nothing that may be lost: the two policies that prune without a limit are the plain choice then.
  @Test func policiesWithoutALimitCanBeIdle() throws {
    for seed in UInt64(0)..<40 {
      let layer = Case(seed: seed)
      let all = (0..<layer.experts).flatMap { e in (0..<layer.experts).filter { $0 != e }.map(Int32.init) }
      for (policy, options) in [
        (RoutingPolicy.collaborationConstrained, layer.options), (.adaptive, PolicyOptions(epsilon: 0)),
      ] {
        let rule = try RoutingRule(
          experts: layer.experts, topK: layer.topK, placement: layer.placement, devices: layer.devices, policy: policy,
          deviceLimit: nil, tables: PolicyTables(partners: all), options: options)
        let routed = rule.route(layer.p)
        #expect(routed.used == routed.chosen, "\(policy) seed \(seed)")
      }
    }
  }

  /// Other numbers for the experts change the numbers in the result and nothing else.
  @Test(arguments: RoutingPolicy.allCases) func numbersOfExpertsDoNotMatter(policy: RoutingPolicy) throws {
    for seed in UInt64(0)..<30 {
      let layer = Case(seed: seed)
      var generator = SplitMix64(seed: seed, item: 9)
      let number = Array(0..<layer.experts).shuffled(using: &generator)
      let (before, after) = (try layer.rule(policy, .inherited), try layer.renumbered(number).rule(policy, .inherited))
      let (a, b) = (before.route(layer.p), after.route(layer.renumbered(number).p))
      func renumbered(_ experts: [Int32]) -> [Int32] { experts.map { $0 < 0 ? $0 : Int32(number[Int($0)]) } }
      // Pairs of equal weight do not occur, so the order of summation is the same too.
      #expect(renumbered(a.used) == b.used && renumbered(a.sources) == b.sources, "\(policy) seed \(seed)")
    }
  }

  @Test(arguments: RoutingPolicy.allCases) func anySplitIsTheSame(policy: RoutingPolicy) throws {
    for seed in UInt64(0)..<20 {
      let layer = Case(seed: seed)
      let rule = try layer.rule(policy, .inherited)
      let whole = rule.route(layer.p, firstToken: 5)
      var parts: [Int32] = []
      var token = 0
      var generator = SplitMix64(seed: seed, item: 2)
      while token < Case.tokens {
        let count = min(1 + generator.below(9), Case.tokens - token)
        let rows = layer.p[token * layer.experts..<(token + count) * layer.experts]
        parts += rule.route(Array(rows), firstToken: 5 + token).used
        token += count
      }
      #expect(parts == whole.used)
    }
  }

  /// A profile's tables: hand-counted partners, and κ between the two numbers of experts whose traffic encloses the
  /// limit's.
  @Test func tablesOfAProfile() throws {
    var accumulator = ProfileAccumulator(experts: 4, topK: 3)
    accumulator.add(
      layer: 0, topK: [0, 1, 2, 0, 1, 3, 1, 0, 2, 3, 1, 2],
      weights: [0.5, 0.3, 0.2, 0.4, 0.3, 0.2, 0.5, 0.3, 0.1, 0.5, 0.3, 0.2], documents: [0, 0, 1, 1])
    let profile = accumulator.profile(modelType: nil, data: "test").layers[0]
    #expect(profile.partners(2) == [1, 2, 0, 2, 1, 0, 1, 0])
    // One device an expert: k′ experts visit k′ devices, so κ is L; all on one device: every κ costs the same.
    #expect(profile.keptExperts(placement: [0, 1, 2, 3], devices: 4) == [1, 2, 3, 3])
    #expect(profile.keptExperts(placement: [0, 0, 0, 0], devices: 1) == [3])
    // {0, 1 | 2, 3}: tokens visit 1, 1, 2 · 1, 1, 2 · 1, 1, 2 · 1, 2, 2 devices; within one device 4 in all, two
    // experts visit 5.
    #expect(profile.keptExperts(placement: [0, 0, 1, 1], devices: 2) == [1, 3])
    // {0, 2 | 1, 3} instead: 1, 2, 2 for every token but the last with 1, 1, 2; one more device in three tokens of
    // four.
    #expect(profile.keptExperts(placement: [0, 1, 0, 1], devices: 2) == [1, 3])
    #expect(throws: RoutingError.unprofiled(policy: .similarity, layer: 0, missing: "router logits")) {
      try PolicyTables(
        profile, policy: .similarity, options: PolicyOptions(), placement: [0, 0, 1, 1], devices: 2)
    }
    let tables = try PolicyTables(
      profile, policy: .collaborationConstrained, options: PolicyOptions(), placement: [0, 0, 1, 1], devices: 2)
    #expect(tables == PolicyTables(partners: profile.partners(2)))
  }

  /// The control visits as many devices on average as the rule it stands beside.
  @Test func fewerExpertsMatchTheTraffic() throws {
    let (experts, k, devices, tokens) = (32, 6, 4, 4000)
    let p = randomProbabilities(tokens: tokens, experts: experts, seed: 6)
    let placement = PlacementMethod.contiguous(experts: experts, devices: devices)
    let plain = RoutingRule(experts: experts, topK: k).route(p).chosen
    var accumulator = ProfileAccumulator(experts: experts, topK: k)
    accumulator.add(
      layer: 0, topK: plain, weights: plain.enumerated().map { p[$0.offset / k * experts + Int($0.element)] },
      documents: [Int32](repeating: 0, count: tokens))
    let profile = accumulator.profile(modelType: nil, data: "test").layers[0]
    for limit in 1...3 {
      func visited(_ policy: RoutingPolicy) throws -> Double {
        let tables = try PolicyTables(
          profile, policy: policy, options: PolicyOptions(), placement: placement, devices: devices)
        let rule = try RoutingRule(
          experts: experts, topK: k, placement: placement, devices: devices, policy: policy, deviceLimit: limit,
          tables: tables)
        let used = rule.route(p).used
        let counts = (0..<tokens).map { token in
          Set(used[token * k..<(token + 1) * k].filter { $0 >= 0 }.map { placement[Int($0)] }).count
        }
        return Double(counts.reduce(0, +)) / Double(tokens)
      }
      // The draw between ⌊κ⌋ and ⌈κ⌉ experts moves the mean of 4,000 tokens by less than 0.02 (three standard errors).
      #expect(abs(try visited(.fewerExperts) - visited(.router)) < 0.02, "L \(limit)")
    }
  }
}
