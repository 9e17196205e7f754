import Formats
public import Profiles
internal import Routing

/// Random router probabilities, `[tokens, experts]`; `levels` > 0 rounds them so coarsely that ties abound.
public func randomProbabilities(tokens: Int, experts: Int, seed: UInt64, levels: Int = 0) -> [Float] {
  var generator = SplitMix64(seed: seed)
  var values: [Float] = []
  for _ in 0..<tokens {
    let row = (0..<experts).map { _ -> Float in
      let uniform = Float(generator.below(1 << 20) + 1) / Float(1 << 20)
      return levels > 0 ? Float(generator.below(levels)) / Float(levels) : uniform * uniform * uniform
    }
    let sum = max(row.reduce(0, +), .leastNormalMagnitude)
    values += levels > 0 ? row : row.map { $0 / sum }
  }
  return values
}

/// A layer whose tokens prefer experts with equal `id % groups`, so that contiguous placements are bad.
public func clusteredProfile(
  tokens: Int, experts: Int, topK: Int, groups: Int, seed: UInt64, layer: Int = 0
) -> LayerProfile {
  var generator = SplitMix64(seed: seed)
  var chosen: [Int32] = []
  for _ in 0..<tokens {
    let group = generator.below(groups)
    var set: [Int32] = []
    while set.count < topK {
      // Lower ids are more popular: loads are uneven.
      var expert = min(generator.below(experts), generator.below(experts))
      if generator.below(10) < 7 { expert = expert / groups * groups + group }
      if expert < experts, !set.contains(Int32(expert)) { set.append(Int32(expert)) }
    }
    chosen += set
  }
  var accumulator = ProfileAccumulator(experts: experts, topK: topK)
  accumulator.add(
    layer: layer, topK: chosen, weights: [Float](repeating: 1 / Float(topK), count: chosen.count),
    documents: [Int32](repeating: 0, count: tokens))
  return accumulator.profile(modelType: nil, data: "test").layers[0]
}
