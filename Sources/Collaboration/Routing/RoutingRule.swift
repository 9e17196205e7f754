/// One layer's routing rule: a pure function of router probabilities to experts and the source of their weights.
///
///     S  = Top-k(p)                          plain choice, the model's own; ties to the lower index
///     S′ = rule(p, π, L, tables)             at most L distinct devices π(e), e ∈ S′
///     w_e = p[src(e)]                        own: src(e) = e; inherited: the expert that e replaces
///
/// A token whose plain choice already lies on at most L devices keeps it under every policy but `adaptive`.
/// A rule is a value without mutable state: threads may route disjoint token ranges at the same time, and the result for
/// a token depends on nothing but its probabilities and (for `random_devices`) its number.
///
/// NaN counts as the smallest probability of all and as nothing in a sum, so a diverged model routes instead of trapping.
///
/// - Source: Luo et al. 2025 (Occult), collaboration pruning; tie rules are ours.
public struct RoutingRule: Sendable {
  /// E, experts of the layer.
  public let experts: Int
  /// k, experts per token.
  public let topK: Int
  /// How the model chooses S.
  public let selection: ExpertSelection
  /// π, expert → device.
  public let placement: [Int]
  /// D, devices.
  public let devices: Int
  /// How tokens are brought within the limit.
  public let policy: RoutingPolicy
  /// L as asked for; `nil` is no limit.
  public let deviceLimit: Int?
  /// Whose probability weights a substitute.
  public let weightSource: WeightSource
  /// ε of `adaptive`: the share of top-k mass a token may lose.
  public let epsilon: Double
  /// Seed of `random_devices`; give each layer its own.
  public let seed: UInt64
  /// The rule never changes a choice: no limit, policy `none`, or L ≥ D (except under `adaptive`, which may use fewer).
  public let isUnpruned: Bool
  /// ρ = 1: the rule chooses between devices only, never between experts.
  public let isDegenerate: Bool

  /// min(L, D).
  let limit: Int
  /// Experts by device, each device's ascending: device d holds `members[offsets[d]..<offsets[d + 1]]`.
  let members: [Int]
  let offsets: [Int]
  /// [experts, experts], rows are lost experts; empty where the policy needs none.
  let similarity: [Float]
  /// All sets of L devices as bit masks in lexicographic order; empty where the policy needs none.
  let deviceSets: [UInt16]

  /// ρ = L·E/(D·k), candidates per chosen expert; L counts as D where there is no limit.
  public var choiceRatio: Double { Double(limit * experts) / Double(devices * topK) }

  /// The most devices for which `best_mass` tries every set.
  public static let mostEnumeratedDevices = 16

  /// Checks everything that could go wrong later, so that `route` cannot fail.
  ///
  /// - Parameters:
  ///   - experts: E.
  ///   - topK: k.
  ///   - placement: π, expert → device in `0..<devices`; all zero for one device.
  ///   - devices: D.
  ///   - policy: how tokens are brought within the limit.
  ///   - deviceLimit: L; `nil`, or L ≥ D, is no limit.
  ///   - similarity: [experts, experts] for policy `similarity`, cosine or centered; rows are the lost experts.
  ///   - weightSource: whose probability weights a substitute.
  ///   - epsilon: ε of `adaptive`.
  ///   - seed: of `random_devices`; give each layer its own.
  ///   - selection: how the model chooses S; groups divide E, and those kept hold at least k experts.
  ///   - slack: accept devices with unequal numbers of experts.
  /// - Throws: `RoutingError` naming the key, what was expected and what was found.
  public init(
    experts: Int, topK: Int, placement: [Int], devices: Int, policy: RoutingPolicy, deviceLimit: Int?,
    similarity: [Float]? = nil, weightSource: WeightSource = .own, epsilon: Double = 0.1, seed: UInt64 = 0,
    selection: ExpertSelection = .greedy, slack: Bool = false
  ) throws(RoutingError) {
    precondition(experts > 0, "RoutingRule: a layer has at least one expert, found \(experts)")
    guard (1...experts).contains(topK) else { throw .topK(topK, experts: experts) }
    if case .groupLimited(let groups, let kept) = selection {
      precondition(
        groups > 0 && experts % groups == 0 && (1...groups).contains(kept) && kept * (experts / groups) >= topK,
        "RoutingRule: \(kept) of \(groups) groups for top \(topK) of \(experts) experts")
    }
    guard (1...experts).contains(devices) else { throw .devices(devices, experts: experts) }
    guard slack || experts % devices == 0 else { throw .indivisible(experts: experts, devices: devices) }
    guard placement.count == experts else { throw .placementSize(expected: experts, found: placement.count) }
    var groups = [[Int]](repeating: [], count: devices)
    for (expert, device) in placement.enumerated() {
      guard (0..<devices).contains(device) else {
        throw .placementRange(expert: expert, device: device, devices: devices)
      }
      groups[device].append(expert)
    }
    if !slack, let device = groups.firstIndex(where: { $0.count != experts / devices }) {
      throw .unbalanced(device: device, expected: experts / devices, found: groups[device].count)
    }
    if let deviceLimit, deviceLimit < 1 { throw .deviceLimit(deviceLimit) }
    guard epsilon >= 0, epsilon < 1 else { throw .epsilon(epsilon) }

    let limit = min(deviceLimit ?? devices, devices)
    isUnpruned = policy == .none || (limit == devices && policy != .adaptive)
    if !isUnpruned {
      // Whatever devices a token keeps, k experts must fit: the emptiest ones decide.
      let sizes = groups.map(\.count).sorted()
      let seats = sizes.prefix(limit).reduce(0, +)
      if seats < topK {
        let needed = (1...devices).first { sizes.prefix($0).reduce(0, +) >= topK } ?? devices
        throw .tooFewExperts(deviceLimit: limit, topK: topK, found: seats, needed: needed)
      }
      if policy == .bestMass, devices > Self.mostEnumeratedDevices {
        throw .tooManyDevices(policy: policy, most: Self.mostEnumeratedDevices, found: devices)
      }
    }
    if policy == .similarity {
      guard let similarity else { throw .missingSimilarity }
      guard similarity.count == experts * experts else {
        throw .similaritySize(expected: experts * experts, found: similarity.count)
      }
      self.similarity = similarity
    } else {
      self.similarity = []
    }
    isDegenerate = !isUnpruned && limit * experts == devices * topK
    deviceSets = policy == .bestMass && !isUnpruned ? Self.allSets(of: limit, from: devices) : []
    members = groups.flatMap { $0 }
    offsets = groups.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count) }
    self.limit = limit
    self.experts = experts
    self.topK = topK
    self.selection = selection
    self.placement = placement
    self.devices = devices
    self.policy = policy
    self.deviceLimit = deviceLimit
    self.weightSource = weightSource
    self.epsilon = epsilon
    self.seed = seed
  }

  /// Sets of `count` devices in lexicographic order, so that the first best one has the lowest devices.
  private static func allSets(of count: Int, from devices: Int) -> [UInt16] {
    var sets: [UInt16] = []
    var set = Array(0..<count)
    while true {
      sets.append(set.reduce(0) { $0 | (1 << UInt16($1)) })
      guard let turn = set.indices.last(where: { set[$0] < devices - count + $0 }) else { return sets }
      set[turn] += 1
      for later in turn + 1..<max(count, turn + 1) { set[later] = set[later - 1] + 1 }
    }
  }
}
