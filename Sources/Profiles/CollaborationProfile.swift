/// Which experts work together, per layer: what placements and substitution tables are made from.
public struct CollaborationProfile: Sendable, Equatable {
  /// The model's family, as in its configuration; `nil` where a recording does not say.
  public var modelType: String?
  /// E.
  public let experts: Int
  /// k.
  public let topK: Int
  /// What the text was, in words.
  public var data: String
  /// One entry per MoE layer, by absolute layer number, ascending.
  public let layers: [LayerProfile]

  /// Whether every layer has recorded sets; a profile of loads alone has none.
  public var hasSets: Bool { layers.allSatisfy { $0.recorded > 0 } }

  /// Tokens seen, the most of any layer.
  public var tokens: Int { layers.map(\.tokens).max() ?? 0 }

  /// A profile of these layers.
  ///
  /// - Parameters:
  ///   - modelType: the model's family.
  ///   - experts: E.
  ///   - topK: k.
  ///   - data: what the text was.
  ///   - layers: all with E experts and k.
  public init(modelType: String?, experts: Int, topK: Int, data: String, layers: [LayerProfile]) {
    for layer in layers {
      precondition(
        layer.experts == experts && layer.topK == topK,
        "CollaborationProfile: layer \(layer.layer) has \(layer.experts) experts, top_k \(layer.topK), "
          + "the profile \(experts) and \(topK)")
    }
    self.modelType = modelType
    self.experts = experts
    self.topK = topK
    self.data = data
    self.layers = layers.sorted { $0.layer < $1.layer }
  }
}

/// Collaboration statistics of one layer.
public struct LayerProfile: Sendable, Equatable {
  /// Absolute layer number.
  public let layer: Int
  /// E.
  public let experts: Int
  /// k.
  public let topK: Int
  /// Tokens counted in `coactivation` and `load`; recorded sets may be fewer.
  public let tokens: Int
  /// A, `[E, E]`: tokens that use both i and j; symmetric with zero diagonal.
  public let coactivation: [Int64]
  /// `[E]`: tokens that use i.
  public let load: [Int64]
  /// `[n, k]`: recorded choices, each ascending.
  public let sets: [Int32]
  /// `[n, k]`: the weight of each recorded expert; empty where a recording has none.
  public let weights: [Float]
  /// `[n]`: the document each recorded token is from.
  public let documents: [Int32]
  /// `[E, E]`: cosine of router-logit series; `nil` without logits.
  public let cosineSimilarity: [Float]?
  /// `[E, E]`: the same with each token's mean logit removed, which softmax ignores as well.
  public let centeredSimilarity: [Float]?
  /// `[E, E]`: likeness of the experts' outputs on the same tokens, see ``OutputSimilarity``; `nil` where they were not
  /// run.
  public let outputSimilarity: [Float]?

  /// n, recorded tokens.
  public var recorded: Int { documents.count }

  /// Whether there is anything to say of which experts work together: a recording of loads alone has no pairs.
  package var hasPairs: Bool { topK == 1 || coactivation.contains { $0 > 0 } }

  /// P = A / max A, the collaboration graph; all zero where nothing collaborates.
  public var collaboration: [Double] {
    let most = coactivation.max() ?? 0
    return coactivation.map { most == 0 ? 0 : Double($0) / Double(most) }
  }

  /// A layer's counts, as read from a file or accumulated.
  ///
  /// - Parameters:
  ///   - layer: absolute layer number.
  ///   - experts: E.
  ///   - topK: k.
  ///   - tokens: tokens counted.
  ///   - coactivation: A, `[E, E]`.
  ///   - load: `[E]`.
  ///   - sets: `[n, k]`, each ascending.
  ///   - weights: `[n, k]`, or empty.
  ///   - documents: `[n]`.
  ///   - cosineSimilarity: `[E, E]` or `nil`.
  ///   - centeredSimilarity: `[E, E]` or `nil`.
  ///   - outputSimilarity: `[E, E]` or `nil`.
  public init(
    layer: Int, experts: Int, topK: Int, tokens: Int, coactivation: [Int64], load: [Int64], sets: [Int32],
    weights: [Float], documents: [Int32], cosineSimilarity: [Float]? = nil, centeredSimilarity: [Float]? = nil,
    outputSimilarity: [Float]? = nil
  ) {
    func check(_ name: String, _ found: Int, _ expected: Int) {
      precondition(found == expected, "LayerProfile \(layer): \(name) has \(found) values, expected \(expected)")
    }
    check("coactivation", coactivation.count, experts * experts)
    check("load", load.count, experts)
    check("sets", sets.count, documents.count * topK)
    check("weights", weights.count, weights.isEmpty ? 0 : documents.count * topK)
    check("cosine similarity", cosineSimilarity?.count ?? experts * experts, experts * experts)
    check("centered similarity", centeredSimilarity?.count ?? experts * experts, experts * experts)
    check("output similarity", outputSimilarity?.count ?? experts * experts, experts * experts)
    precondition(
      sets.allSatisfy { (0..<experts).contains(Int($0)) },
      "LayerProfile \(layer): a recorded set names an expert outside 0..<\(experts)")
    self.layer = layer
    self.experts = experts
    self.topK = topK
    self.tokens = tokens
    self.coactivation = coactivation
    self.load = load
    self.sets = sets
    self.weights = weights
    self.documents = documents
    self.cosineSimilarity = cosineSimilarity
    self.centeredSimilarity = centeredSimilarity
    self.outputSimilarity = outputSimilarity
  }
}
