/// Settings of single policies; each names the policies that read it.
public struct PolicyOptions: Sendable, Equatable {
  /// `adaptive`: ε, the share of top-k mass that a token may lose.
  public var epsilon: Double
  /// `similarity`: which series of router logits are compared.
  public var similarity: LogitSimilarity
  /// `output_similarity`: an expert less similar than this replaces nothing.
  public var similarityThreshold: Double
  /// `group_limited`: what a device is ranked by.
  public var groupScore: GroupScore
  /// `c2r`: T, the partners of its first expert that a token may use; nil for half the experts.
  public var partners: Int?

  /// Two unrelated outputs of equal size have similarity 1 − √2/2 ≈ 0.29: below the default, a substitute is no better
  /// than any other expert.
  public static let unrelatedSimilarity = 0.3

  /// The defaults, or others.
  ///
  /// - Parameters:
  ///   - epsilon: ε of `adaptive`.
  ///   - similarity: The table of `similarity`.
  ///   - similarityThreshold: Of `output_similarity`.
  ///   - groupScore: Of `group_limited`.
  ///   - partners: T of `c2r`.
  public init(
    epsilon: Double = 0.05, similarity: LogitSimilarity = .cosine,
    similarityThreshold: Double = PolicyOptions.unrelatedSimilarity, groupScore: GroupScore = .top2Sum,
    partners: Int? = nil
  ) {
    (self.epsilon, self.similarity, self.similarityThreshold) = (epsilon, similarity, similarityThreshold)
    (self.groupScore, self.partners) = (groupScore, partners)
  }

  /// T for tokens of k experts in a layer of E: at most all others.
  package func partners(topK: Int, experts: Int) -> Int { min(partners ?? max(topK - 1, experts / 2), experts - 1) }

  /// Checks what can be checked without tables.
  func check(topK: Int, experts: Int) throws(RoutingError) {
    guard epsilon >= 0, epsilon < 1 else { throw .epsilon(epsilon) }
    guard similarityThreshold.isFinite else { throw .threshold(similarityThreshold) }
    if let partners, partners < max(1, topK - 1) { throw .fewPartners(partners, topK: topK) }
  }
}

/// Which series of router logits the policy `similarity` compares.
public enum LogitSimilarity: String, CaseIterable, Codable, Sendable {
  /// As they are (the paper's).
  case cosine
  /// Each token's mean removed: softmax ignores a common offset, the plain cosine does not.
  case centered
}

/// What `group_limited` ranks a device by.
public enum GroupScore: String, CaseIterable, Codable, Sendable {
  /// Its largest p (DeepSeek-V2): the same as policy `router` where the model chooses among all experts.
  case max
  /// The sum of its two largest p (DeepSeek-V3).
  case top2Sum = "top2_sum"
  /// The sum of its n = ⌈k/L⌉ largest p; Megatron-Core's where L divides k.
  case topNSum = "topn_sum"
}

/// What a policy knows of one layer besides p and π; made from a profile.
public struct PolicyTables: Sendable, Equatable {
  /// `similarity`, `output_similarity`: `[E, E]`, rows are the lost experts; larger is more similar.
  public var similarity: [Float]?
  /// `c2r`: `[E, T]`, each expert's partners by falling co-activation.
  public var partners: [Int32]?
  /// `fewer_experts`: κ, the mean number of experts that a token keeps, in place of each limit L = 1...D, `[D]`.
  public var keptExperts: [Double]?

  /// Tables; none where a policy needs none.
  ///
  /// - Parameters:
  ///   - similarity: `[E, E]`.
  ///   - partners: `[E, T]`.
  ///   - keptExperts: `[D]`.
  public init(similarity: [Float]? = nil, partners: [Int32]? = nil, keptExperts: [Double]? = nil) {
    (self.similarity, self.partners, self.keptExperts) = (similarity, partners, keptExperts)
  }

  /// Checks that a policy finds what it needs.
  func check(for policy: RoutingPolicy, experts: Int, topK: Int, devices: Int) throws(RoutingError) {
    switch policy {
    case .none, .router, .mass, .bestMass, .adaptive, .groupLimited, .drop, .randomDevices: break
    case .similarity, .outputSimilarity:
      guard let similarity else { throw .missingTable(policy, "a similarity table") }
      guard similarity.count == experts * experts else {
        throw .tableSize("similarity", expected: experts * experts, found: similarity.count)
      }
    case .collaborationConstrained:
      guard let partners else { throw .missingTable(policy, "a table of partners") }
      guard partners.count.isMultiple(of: experts), partners.count / experts >= topK - 1 else {
        throw .tableSize("partners", expected: experts * max(1, topK - 1), found: partners.count)
      }
      let width = partners.count / experts
      for expert in 0..<experts {
        let row = partners[expert * width..<(expert + 1) * width]
        guard Set(row).count == width, row.allSatisfy({ (0..<experts).contains(Int($0)) && Int($0) != expert }) else {
          throw .partners(of: expert, experts: experts)
        }
      }
    case .fewerExperts:
      guard let keptExperts else { throw .missingTable(policy, "numbers of experts to keep") }
      guard keptExperts.count == devices else {
        throw .tableSize("kept_experts", expected: devices, found: keptExperts.count)
      }
      if let bad = keptExperts.first(where: { !($0 >= 1 && $0 <= Double(topK)) }) {
        throw .keptExperts(bad, topK: topK)
      }
    }
  }
}
