internal import Formats
internal import Routing

/// Running sums of one layer.
struct LayerAccumulator: Sendable {
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
  /// G = Σ z·zᵀ, rows padded to a multiple of four, true on and above the diagonal; empty before the first logits.
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

  /// Counts tokens, puts them into the sample and, where their logits are known, into the Gram matrix.
  mutating func add(_ choice: ProfileAccumulator.LayerChoice, documents: [Int32], limit: Int) {
    choice.topK.withUnsafeBufferPointer { chosen in
      count(chosen)
      choice.weights.withUnsafeBufferPointer { weights in
        documents.withUnsafeBufferPointer { record(chosen, weights, $0, limit: limit) }
      }
    }
    choice.logits?.withUnsafeBufferPointer { correlate($0) }
  }

  /// Adds tokens to A and the load; `tokens` is raised by ``record(_:_:_:limit:)``.
  private mutating func count(_ chosen: UnsafeBufferPointer<Int32>) {
    coactivation.withUnsafeMutableBufferPointer { coactivation in
      load.withUnsafeMutableBufferPointer { load in
        for row in stride(from: 0, to: chosen.count, by: topK) {
          for first in row..<row + topK {
            let i = Int(chosen[first])
            precondition((0..<experts).contains(i), "ProfileAccumulator: expert \(i) of \(experts)")
            load[i] += 1
            for second in first + 1..<max(row + topK, first + 1) {
              let j = Int(chosen[second])
              precondition(j != i, "ProfileAccumulator: expert \(i) twice in one set")
              precondition((0..<experts).contains(j), "ProfileAccumulator: expert \(j) of \(experts)")
              coactivation[i * experts + j] += 1
              coactivation[j * experts + i] += 1
            }
          }
        }
      }
    }
  }

  /// Puts tokens into the sample.
  private mutating func record(
    _ chosen: UnsafeBufferPointer<Int32>, _ chosenWeights: UnsafeBufferPointer<Float>,
    _ newDocuments: UnsafeBufferPointer<Int32>, limit: Int
  ) {
    for token in 0..<newDocuments.count {
      tokens += 1
      let row = token * topK..<(token + 1) * topK
      record(
        UnsafeBufferPointer(rebasing: chosen[row]),
        chosenWeights.isEmpty ? chosenWeights : UnsafeBufferPointer(rebasing: chosenWeights[row]), newDocuments[token],
        limit: limit)
    }
  }

  @inline(__always)
  private mutating func record(
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

  /// Adds z·zᵀ of tokens, in their order whatever the calls: four tokens a pass over G, added one after the other.
  private mutating func correlate(_ logits: UnsafeBufferPointer<Float>) {
    let width = (experts + 3) / 4 * 4
    let rows = logits.count / experts
    if gram.isEmpty { gram = [Double](repeating: 0, count: experts * width) }
    var block = [Double](repeating: 0, count: 4 * width)
    var filled = 0
    for row in 0..<rows {
      let z = UnsafeBufferPointer(rebasing: logits[row * experts..<(row + 1) * experts])
      // NaN and infinity times 0 are NaN.
      var probe: Float = 0
      for value in z { probe += value * 0 }
      if probe != 0 {
        nonFinite += 1
      } else {
        correlated += 1
        for expert in 0..<experts { block[filled * width + expert] = Double(z[expert]) }
        filled += 1
      }
      if filled == 4 || (row == rows - 1 && filled > 0) {
        addProducts(of: &block, rows: filled, width: width)
        filled = 0
      }
    }
  }

  /// G += Σ z·zᵀ over `rows` tokens, upper triangle, in vectors of four.
  private mutating func addProducts(of block: inout [Double], rows: Int, width: Int) {
    gram.withUnsafeMutableBytes { gram in
      block.withUnsafeBytes { block in
        let size = MemoryLayout<Double>.size
        for i in 0..<experts {
          for start in stride(from: i / 4 * 4, to: width, by: 4) {
            let place = (i &* width &+ start) &* size
            var sum = gram.loadUnaligned(fromByteOffset: place, as: SIMD4<Double>.self)
            for row in 0..<rows {
              let z = block.loadUnaligned(fromByteOffset: (row &* width &+ i) &* size, as: Double.self)
              sum += z * block.loadUnaligned(fromByteOffset: (row &* width &+ start) &* size, as: SIMD4<Double>.self)
            }
            gram.storeBytes(of: sum, toByteOffset: place, as: SIMD4<Double>.self)
          }
        }
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
    let width = (experts + 3) / 4 * 4
    var full = [Double](repeating: 0, count: experts * experts)
    for i in 0..<experts {
      for j in i..<experts {
        full[i * experts + j] = gram[i * width + j]
        full[j * experts + i] = gram[i * width + j]
      }
    }
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
