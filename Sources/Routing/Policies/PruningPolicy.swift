/// A token on its way through a policy: plain pointers, so that handing it on costs nothing.
struct RoutingToken {
  /// Its probabilities, `[experts]`.
  let p: UnsafePointer<Float>
  /// Its number in the batch or corpus.
  let number: Int
  /// How many devices the plain choice S hits. `scratch.order` begins with them as the walk by falling p meets them,
  /// and `scratch.kept` marks just them.
  let hit: Int
  /// S in `scratch.top`, all other experts in `scratch.pool`.
  let scratch: Scratch

  /// Keeps the first `count` devices of `scratch.order`, of those hit.
  @inline(__always)
  func keep(first count: Int) {
    for slot in count..<hit { scratch.kept[scratch.order[slot]] = false }
  }
}

/// What a ``RoutingPolicy`` does with a token: a value that decides which devices it keeps and which experts stand in.
///
/// A rule calls it once a batch, through `route`; inside, everything is specialised for the policy.
protocol PruningPolicy: Sendable {
  /// Whether it also looks at tokens whose plain choice lies on at most L devices; others keep their choice.
  var looksAtEveryToken: Bool { get }

  /// Leaves in `scratch.kept` the devices that the token may use.
  ///
  /// - Returns: Whether the choice may change; if not, the plain choice stays.
  func keepDevices(_ token: RoutingToken, _ rule: RoutingRule) -> Bool

  /// Lists the experts used in `scratch.best` by falling weight, and in `scratch.source` whose probability weighs each.
  ///
  /// - Returns: How many they are, at most k.
  func useExperts(_ token: RoutingToken, _ rule: RoutingRule) -> Int

  /// Routes all tokens of a batch.
  func route(_ batch: RoutingBatch, _ rule: RoutingRule)
}

extension PruningPolicy {
  var looksAtEveryToken: Bool { false }

  /// The best k experts of the kept devices.
  @inline(__always)
  func useExperts(_ token: RoutingToken, _ rule: RoutingRule) -> Int { rule.useBest(token) }

  func route(_ batch: RoutingBatch, _ rule: RoutingRule) { rule.route(batch, self) }
}

extension RoutingRule {
  /// The policy's implementation for this rule; its tables and settings have been checked.
  static func policy(
    _ policy: RoutingPolicy, experts: Int, topK: Int, devices: Int, limit: Int, options: PolicyOptions,
    tables: PolicyTables, seed: UInt64
  ) -> any PruningPolicy {
    switch policy {
    case .none, .router: WalkPolicy()
    case .similarity: SimilarityPolicy(table: tables.similarity ?? [], threshold: nil)
    case .outputSimilarity:
      SimilarityPolicy(table: tables.similarity ?? [], threshold: Float(options.similarityThreshold))
    case .mass: MassPolicy()
    case .bestMass: BestMassPolicy(devices: devices, limit: limit)
    case .adaptive: AdaptivePolicy(epsilon: options.epsilon)
    case .groupLimited: GroupLimitedPolicy(options.groupScore, topK: topK, limit: limit)
    case .collaborationConstrained:
      PartnersPolicy(tables.partners ?? [], experts: experts, bounded: limit < devices)
    case .drop: DropPolicy()
    case .fewerExperts: FewerExpertsPolicy(kept: tables.keptExperts?[limit - 1] ?? Double(topK), seed: seed)
    case .randomDevices: RandomDevicesPolicy(seed: seed)
    }
  }
}
