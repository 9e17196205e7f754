/// Builds a profile from routed tokens, batch by batch, in memory that does not grow with the text.
///
/// Recorded sets are a uniform sample of at most `recordedLimit` tokens per layer (reservoir sampling with a
/// written-down seed, the same draws in every layer, so layers that see the same tokens record the same ones), in order
/// of arrival.
///
/// Logit similarity comes from one Gram matrix of the logits z in double precision:
///
///     G = Σ_t z_t·z_tᵀ                      cosine_ij   = G_ij / √(G_ii·G_jj)
///     Ḡ = C·G·C,  C = I − 1·1ᵀ/E            centered_ij = Ḡ_ij / √(Ḡ_ii·Ḡ_jj)
///
/// because removing each token's mean is the same projection C for every token.
public struct ProfileAccumulator: Sendable {
  /// E.
  public let experts: Int
  /// k.
  public let topK: Int
  /// Most recorded sets per layer.
  public let recordedLimit: Int

  private var layers: [Int: LayerAccumulator] = [:]
  private let seed: UInt64

  /// An empty accumulator.
  ///
  /// - Parameters:
  ///   - experts: E.
  ///   - topK: k.
  ///   - recordedLimit: most recorded sets per layer.
  ///   - seed: of the sample.
  public init(experts: Int, topK: Int, recordedLimit: Int = 100_000, seed: UInt64 = 0) {
    precondition((1...max(experts, 1)).contains(topK), "ProfileAccumulator: top_k \(topK) of \(experts) experts")
    self.experts = experts
    self.topK = topK
    self.recordedLimit = recordedLimit
    self.seed = seed
  }

  /// What one layer chose for some tokens.
  public struct LayerChoice: Sendable {
    /// Absolute layer number.
    public let layer: Int
    /// Chosen experts, `[tokens, k]`, in any order.
    public let topK: [Int32]
    /// Their weights, `[tokens, k]`; empty where they are not known, in all calls for a layer alike.
    public let weights: [Float]
    /// Router logits, `[tokens, experts]`; `nil` leaves similarity out.
    public let logits: [Float]?

    /// A choice.
    ///
    /// - Parameters:
    ///   - layer: absolute layer number.
    ///   - topK: chosen experts, `[tokens, k]`.
    ///   - weights: `[tokens, k]`, or empty.
    ///   - logits: `[tokens, experts]` or `nil`.
    public init(layer: Int, topK: [Int32], weights: [Float], logits: [Float]? = nil) {
      (self.layer, self.topK, self.weights, self.logits) = (layer, topK, weights, logits)
    }
  }

  /// Counts routed tokens of several layers; padding must not be among them.
  ///
  /// - Parameters:
  ///   - choices: of different layers, all about the same tokens.
  ///   - documents: `[tokens]`.
  ///   - run: runs numbered tasks, in any order or side by side; each counts a layer of its own.
  public mutating func add(
    _ choices: [LayerChoice], documents: [Int32],
    run: (Int, (Int) -> Void) -> Void = { count, task in for index in 0..<count { task(index) } }
  ) {
    let numbers = choices.map(\.layer)
    precondition(Set(numbers).count == numbers.count, "ProfileAccumulator: layers \(numbers), one of them twice")
    for choice in choices { check(choice, tokens: documents.count) }
    var states = numbers.map {
      layers.removeValue(forKey: $0) ?? LayerAccumulator(experts: experts, topK: topK, seed: seed)
    }
    let limit = recordedLimit
    states.withUnsafeMutableBufferPointer { states in
      nonisolated(unsafe) let states = states
      run(choices.count) { states[$0].add(choices[$0], documents: documents, limit: limit) }
    }
    for (number, state) in zip(numbers, states) { layers[number] = state }
  }

  /// The same for one layer.
  ///
  /// - Parameters:
  ///   - layer: absolute layer number.
  ///   - chosen: chosen experts, `[tokens, k]`.
  ///   - weights: `[tokens, k]`, or empty.
  ///   - logits: `[tokens, experts]` or `nil`.
  ///   - documents: `[tokens]`.
  public mutating func add(
    layer: Int, topK chosen: [Int32], weights: [Float], logits: [Float]? = nil, documents: [Int32]
  ) {
    add([LayerChoice(layer: layer, topK: chosen, weights: weights, logits: logits)], documents: documents)
  }

  private func check(_ choice: LayerChoice, tokens: Int) {
    precondition(
      choice.topK.count == tokens * topK && (choice.weights.isEmpty || choice.weights.count == choice.topK.count),
      "ProfileAccumulator: \(choice.topK.count) experts and \(choice.weights.count) weights for \(tokens) tokens of "
        + "top_k \(topK)")
    precondition(
      choice.logits.map { $0.count == tokens * experts } ?? true,
      "ProfileAccumulator: \(choice.logits?.count ?? 0) logits for \(tokens) tokens × \(experts) experts")
  }

  /// What has been counted so far.
  ///
  /// - Parameters:
  ///   - modelType: the model's family.
  ///   - data: what the text was.
  ///   - outputSimilarity: tables of output similarity by layer, which are made elsewhere.
  /// - Returns: the profile.
  public func profile(
    modelType: String?, data: String, outputSimilarity: [Int: [Float]] = [:]
  ) -> CollaborationProfile {
    CollaborationProfile(
      modelType: modelType, experts: experts, topK: topK, data: data,
      layers: layers.map { $0.value.profile(layer: $0.key, outputSimilarity: outputSimilarity[$0.key]) })
  }

  /// Tokens of a layer whose logits were not finite: they are counted, but would poison a similarity table.
  ///
  /// - Parameter layer: absolute layer number.
  /// - Returns: number of tokens left out of the similarities.
  public func nonFiniteTokens(layer: Int) -> Int { layers[layer]?.nonFinite ?? 0 }
}
