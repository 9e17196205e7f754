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
    for token in 0..<tokens {
      let row = token * topK..<(token + 1) * topK
      state.count(UnsafeBufferPointer(rebasing: chosen[row]))
      state.record(
        UnsafeBufferPointer(rebasing: chosen[row]),
        weights.isEmpty ? weights : UnsafeBufferPointer(rebasing: weights[row]), documents[token], limit: recordedLimit)
      if let logits {
        state.correlate(UnsafeBufferPointer(rebasing: logits[token * experts..<(token + 1) * experts]))
      }
    }
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

/// Running sums of one layer.
private struct LayerAccumulator: Sendable {
  let experts: Int
  let topK: Int
  var tokens = 0
  var coactivation: [Int64]
  var load: [Int64]
  var sets: [Int32] = []
  var weights: [Float] = []
  var documents: [Int32] = []
  /// Token number of each recorded set: replaced slots are out of order until the end.
  var arrivals: [Int] = []
  /// Upper triangle of Σ z·zᵀ; empty before the first logits.
  var gram: [Double] = []
  var correlated = 0
  var nonFinite = 0
  var generator: SplitMix64

  init(experts: Int, topK: Int, seed: UInt64) {
    self.experts = experts
    self.topK = topK
    coactivation = [Int64](repeating: 0, count: experts * experts)
    load = [Int64](repeating: 0, count: experts)
    generator = SplitMix64(seed: seed)
  }

  @inline(__always)
  mutating func count(_ set: UnsafeBufferPointer<Int32>) {
    tokens += 1
    for first in 0..<topK {
      let i = Int(set[first])
      precondition((0..<experts).contains(i), "ProfileAccumulator: expert \(i) of \(experts)")
      load[i] += 1
      for second in first + 1..<max(topK, first + 1) {
        let j = Int(set[second])
        precondition(j != i, "ProfileAccumulator: expert \(i) twice in one set")
        coactivation[i * experts + j] += 1
        coactivation[j * experts + i] += 1
      }
    }
  }

  @inline(__always)
  mutating func record(
    _ set: UnsafeBufferPointer<Int32>, _ setWeights: UnsafeBufferPointer<Float>, _ document: Int32, limit: Int
  ) {
    var slot = documents.count
    if slot < limit {
      sets.append(contentsOf: set)
      weights.append(contentsOf: setWeights)
      documents.append(document)
      arrivals.append(tokens)
    } else {
      // Algorithm R: token number n replaces a slot with chance limit / n.
      slot = generator.below(tokens)
      if slot >= limit { return }
      documents[slot] = document
      arrivals[slot] = tokens
    }
    // Insertion into ascending order, weights alongside.
    for filled in 0..<topK {
      var place = slot * topK + filled
      while place > slot * topK && sets[place - 1] > set[filled] {
        sets[place] = sets[place - 1]
        if !setWeights.isEmpty { weights[place] = weights[place - 1] }
        place -= 1
      }
      sets[place] = set[filled]
      if !setWeights.isEmpty { weights[place] = setWeights[filled] }
    }
  }

  @inline(__always)
  mutating func correlate(_ logits: UnsafeBufferPointer<Float>) {
    guard logits.allSatisfy(\.isFinite) else {
      nonFinite += 1
      return
    }
    if gram.isEmpty { gram = [Double](repeating: 0, count: experts * experts) }
    correlated += 1
    gram.withUnsafeMutableBufferPointer { gram in
      for i in 0..<experts {
        let z = Double(logits[i])
        let row = i * experts
        for j in i..<experts { gram[row + j] += z * Double(logits[j]) }
      }
    }
  }

  func profile(layer: Int, outputSimilarity: [Float]?) -> LayerProfile {
    let order = arrivals.indices.sorted { arrivals[$0] < arrivals[$1] }
    return LayerProfile(
      layer: layer, experts: experts, topK: topK, tokens: tokens, coactivation: coactivation, load: load,
      sets: order.flatMap { sets[$0 * topK..<($0 + 1) * topK] },
      weights: weights.isEmpty ? [] : order.flatMap { weights[$0 * topK..<($0 + 1) * topK] },
      documents: order.map { documents[$0] },
      cosineSimilarity: correlated == 0 ? nil : Similarity.normalised(full, experts),
      centeredSimilarity: correlated == 0 ? nil : Similarity.normalised(Similarity.centered(full, experts), experts),
      outputSimilarity: outputSimilarity)
  }

  private var full: [Double] {
    var full = gram
    for i in 0..<experts { for j in 0..<i { full[i * experts + j] = gram[j * experts + i] } }
    return full
  }
}

/// From a Gram matrix to cosines.
enum Similarity {
  /// C·G·C with C = I − 1·1ᵀ/E: the Gram matrix after removing each token's mean.
  static func centered(_ gram: [Double], _ experts: Int) -> [Double] {
    let means = (0..<experts).map { i in
      gram[i * experts..<(i + 1) * experts].reduce(0, +) / Double(experts)
    }
    let mean = means.reduce(0, +) / Double(experts)
    var centered = gram
    for i in 0..<experts {
      for j in 0..<experts { centered[i * experts + j] += mean - means[i] - means[j] }
    }
    return centered
  }

  /// G_ij / √(G_ii·G_jj), within −1...1; 0 where a series is constantly zero.
  static func normalised(_ gram: [Double], _ experts: Int) -> [Float] {
    var cosines = [Float](repeating: 0, count: experts * experts)
    for i in 0..<experts {
      for j in 0..<experts {
        let norm = (max(0, gram[i * experts + i]) * max(0, gram[j * experts + j])).squareRoot()
        cosines[i * experts + j] = norm > 0 ? Float(min(1, max(-1, gram[i * experts + j] / norm))) : 0
      }
    }
    return cosines
  }
}
