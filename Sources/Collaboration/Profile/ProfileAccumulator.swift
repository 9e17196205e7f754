/// Builds a profile from routed tokens, batch by batch, in memory that does not grow with the text.
///
/// Recorded sets are a uniform sample of at most `recordedLimit` tokens per layer (reservoir sampling with a written-down
/// seed, the same draws in every layer, so layers that see the same tokens record the same ones), in order of arrival.
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

  /// Counts routed tokens of one layer; padding must not be among them.
  ///
  /// - Parameters:
  ///   - layer: absolute layer number.
  ///   - chosen: chosen experts, `[tokens, k]`, in any order.
  ///   - weights: their weights, `[tokens, k]`; empty where they are not known, in all calls for a layer alike.
  ///   - logits: router logits, `[tokens, experts]`; `nil` leaves similarity out.
  ///   - documents: `[tokens]`.
  public mutating func add(
    layer: Int, topK chosen: UnsafeBufferPointer<Int32>, weights: UnsafeBufferPointer<Float>,
    logits: UnsafeBufferPointer<Float>? = nil, documents: UnsafeBufferPointer<Int32>
  ) {
    let tokens = documents.count
    precondition(
      chosen.count == tokens * topK && (weights.isEmpty || weights.count == chosen.count),
      "ProfileAccumulator: \(chosen.count) experts and \(weights.count) weights for \(tokens) tokens of top_k \(topK)")
    precondition(
      logits.map { $0.count == tokens * experts } ?? true,
      "ProfileAccumulator: \(logits?.count ?? 0) logits for \(tokens) tokens × \(experts) experts")
    var state = layers.removeValue(forKey: layer) ?? LayerAccumulator(experts: experts, topK: topK, seed: seed)
    state.count(chosen)
    state.record(chosen, weights, documents, limit: recordedLimit)
    if let logits { state.correlate(logits) }
    layers[layer] = state
  }

  /// The same from arrays.
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
    chosen.withUnsafeBufferPointer { chosen in
      weights.withUnsafeBufferPointer { weights in
        documents.withUnsafeBufferPointer { documents in
          withOptionalBuffer(logits) { logits in
            add(layer: layer, topK: chosen, weights: weights, logits: logits, documents: documents)
          }
        }
      }
    }
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
