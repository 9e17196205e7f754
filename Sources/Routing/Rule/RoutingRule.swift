/// One layer's routing rule: a pure function of router probabilities to experts and the source of their weights.
///
///     S  = Top-k(p)                          plain choice, the model's own; ties to the lower index
///     S′ = rule(p, π, L, tables)             at most L distinct devices π(e), e ∈ S′
///     w_e = p[src(e)]                        own: src(e) = e; inherited: the expert that e replaces
///
/// A token whose plain choice already lies on at most L devices keeps it, but under `adaptive`, `group_limited`, `c2r`
/// and `fewer_experts`.
/// A rule is a value without mutable state: threads may route disjoint token ranges at the same time, and the result
/// for a token depends on nothing but its probabilities and (where a policy draws) its number.
///
/// NaN counts as the smallest probability of all and as nothing in a sum, so a diverged model routes instead of
/// trapping.
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
  /// Settings of single policies.
  public let options: PolicyOptions
  /// What the policy knows of the layer; empty where it needs nothing.
  public let tables: PolicyTables
  /// Seed of policies that draw; give each layer its own.
  public let seed: UInt64
  /// The rule never changes a choice: no limit, policy `none`, or L ≥ D (except under `adaptive` and `c2r`).
  public let isUnpruned: Bool
  /// ρ = 1: the rule chooses between devices only, never between experts.
  public let isDegenerate: Bool

  /// min(L, D).
  let limit: Int
  /// Experts by device, each device's ascending: device d holds `members[offsets[d]..<offsets[d + 1]]`.
  let members: [Int]
  let offsets: [Int]
  /// What the policy does.
  let pruning: any PruningPolicy

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
  ///   - tables: what the policy knows of the layer.
  ///   - weightSource: whose probability weights a substitute.
  ///   - options: settings of single policies.
  ///   - seed: of policies that draw; give each layer its own.
  ///   - selection: how the model chooses S; groups divide E, and those kept hold at least k experts.
  ///   - slack: accept devices with unequal numbers of experts.
  /// - Throws: `RoutingError` naming the key, what was expected and what was found.
  public init(
    experts: Int, topK: Int, placement: [Int], devices: Int, policy: RoutingPolicy, deviceLimit: Int?,
    tables: PolicyTables = PolicyTables(), weightSource: WeightSource = .own,
    options: PolicyOptions = PolicyOptions(), seed: UInt64 = 0,
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
    let limit = min(deviceLimit ?? devices, devices)
    isUnpruned = policy == .none || (limit == devices && !policy.prunesWithoutLimit)
    try options.check(topK: topK, experts: experts)
    // Where no expert is replaced, none has to fit.
    if !isUnpruned, policy != .fewerExperts {
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
    if !isUnpruned { try tables.check(for: policy, experts: experts, topK: topK, devices: devices) }
    isDegenerate = !isUnpruned && limit * experts == devices * topK
    pruning = Self.policy(
      isUnpruned ? .none : policy, experts: experts, topK: topK, devices: devices, limit: limit, options: options,
      tables: tables, seed: seed)
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
    self.options = options
    self.tables = tables
    self.seed = seed
  }
}
