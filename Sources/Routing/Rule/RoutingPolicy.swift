/// How a token that chose experts on more than `device_limit` devices is brought within the limit.
///
/// A policy decides two things: which devices are kept, and which experts stand in for the lost ones.
/// To add one: a case here, and a ``PruningPolicy`` in a file of its own under `Policies`.
public enum RoutingPolicy: String, CaseIterable, Codable, Sendable {
  /// No limit: the plain top-k.
  case none
  /// Walk the top-k by falling p until L devices are found; top-k of p over all experts there (the paper's first rule).
  case router
  /// The same devices; each lost expert is replaced by its most similar free expert there (the paper's second rule).
  case similarity
  /// The same with similarity of expert outputs; what is less similar than a threshold replaces nothing.
  case outputSimilarity = "output_similarity"
  /// The L devices with the largest Σ p over the top-k; experts as in `router`.
  case mass
  /// The L devices whose best k experts have the largest Σ p, by trying all sets: the upper bound of kept probability.
  case bestMass = "best_mass"
  /// Per token the fewest devices that keep ≥ 1−ε of the top-k mass, at most L; experts as in `router`.
  case adaptive
  /// The L devices of largest score, the sum of their few largest p; experts as in `router`.
  case groupLimited = "group_limited"
  /// The best expert, and the best of its T most frequent partners (C2R); limits devices only with a `device_limit`.
  case collaborationConstrained = "c2r"
  /// Control: devices as in `router`, lost experts are not replaced.
  case drop
  /// Control: the best k′ < k experts, k′ such that tokens visit as many devices on average as under `router`.
  case fewerExperts = "fewer_experts"
  /// Control: L random devices of those the token chose, seeded per token; experts as in `router`.
  case randomDevices = "random_devices"

  /// Whether it changes choices even where no limit is set.
  public var prunesWithoutLimit: Bool { self == .adaptive || self == .collaborationConstrained }

  /// Whether it is made from a profile, see ``PolicyTables``.
  public var needsTables: Bool {
    switch self {
    case .similarity, .outputSimilarity, .collaborationConstrained, .fewerExperts: true
    case .none, .router, .mass, .bestMass, .adaptive, .groupLimited, .drop, .randomDevices: false
    }
  }
}

/// Whose probability weights the output of an expert that stands in for a lost one.
public enum WeightSource: String, CaseIterable, Codable, Sendable {
  /// The expert's own: src(e) = e.
  case own
  /// That of the expert it replaces; lost and new experts are paired by falling p.
  case inherited
}
