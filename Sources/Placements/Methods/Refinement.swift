internal import Profiles

/// The default placement: annealed swaps on the true Σ C_T of recorded sets, under the load cap, judged on held-out
/// sets.
enum Refinement {
  /// How far a search goes from a start.
  enum Effort: Int, CaseIterable, Sendable {
    /// The best start as it is.
    case start
    /// Swaps that lower Σ C_T until none is left.
    case descended
    /// Annealed rounds, each followed by such swaps.
    case annealed
  }

  /// What came out, and of what.
  struct Outcome: Equatable {
    var placement: [Int]
    /// Σ C_T over recorded sets.
    var deviceRows: Int
    /// Swaps proposed while annealing.
    var proposals: Int
    var effort: Effort
  }

  /// Recorded sets up to which effort is judged on held-out halves; more do not overfit.
  static let judgedUpTo = 20_000
  /// Distinct sets that annealing works on; the descent afterwards uses all.
  static let annealedSets = 12_000

  /// Rounds spent on each half while judging.
  static let judgedRounds = 2

  /// Proposals of one annealed round: fifty looks at each pair.
  static func round(experts: Int) -> Int { max(1, 25 * experts * (experts - 1)) }

  /// Refines a layer.
  ///
  /// 1. Starts: the paper's greedy, spectral, load, contiguous. One that is over the cap is first brought under it by
  ///    the swaps that take away most excess load.
  /// 2. Rounds of annealing, one from each start and then in turn from the best so far and from a random placement,
  ///    each followed by descent on all sets; until the proposals are used up.
  /// 3. Where the sample is small, 2 is first tried on each half of it (documents, or blocks of 200 tokens, in turn)
  ///    and judged on the other: a search that goes less far is taken instead if it is better on both halves.
  ///
  /// The cap is `loadCap` × mean load. Where even the load-only placement exceeds that (one expert may be heavier than
  /// a device's share), its heaviest device is the cap. The result is never worse than any start that is within the
  /// cap.
  ///
  /// - Parameters:
  ///   - profile: a layer.
  ///   - devices: D.
  ///   - options: seed, cap, slack, proposals.
  ///   - enough: asked after every round; with `options.proposals` nil it alone ends the search.
  /// - Returns: the placement and how it was found.
  /// - Throws: `PlacementError` for a cap below 1 or missing recorded sets.
  static func place(
    _ profile: LayerProfile, devices: Int, options: PlacementOptions, enough: (() -> Bool)? = nil
  ) throws(PlacementError) -> Outcome {
    guard profile.recorded > 0 else { throw .noRecordedSets(layer: profile.layer) }
    if let loadCap = options.loadCap, !(loadCap >= 1) { throw .loadCap(loadCap) }
    let effort = judge(profile, devices: devices, options: options)
    let search = RefinementSearch(
      experts: profile.experts, topK: profile.topK, sets: profile.sets, tokens: nil, load: profile.load,
      coactivation: profile.coactivation, layer: profile.layer, devices: devices, options: options)
    let found = search.run(effort, enough: enough)
    return Outcome(
      placement: found.placement, deviceRows: found.deviceRows, proposals: found.proposals, effort: effort)
  }

  /// The most load a device may carry: the cap's share, or the heaviest device of `load` where that is more.
  static func cap(load: [Int64], devices: Int, options: PlacementOptions) -> Int64 {
    // No cap is a cap far above any load, and far from overflow.
    guard let factor = options.loadCap else { return .max / 4 }
    let even = PlacementMethod.balanced(load, devices: devices)
    let evenest = Prediction.loads(load, placement: even, devices: devices).max() ?? 0
    let mean = Double(load.reduce(0, +)) / Double(devices)
    return max(evenest, Int64(exactly: (factor * mean).rounded(.down)) ?? .max / 4)
  }

  /// The effort that does best on sets it has not seen.
  static func judge(_ profile: LayerProfile, devices: Int, options: PlacementOptions) -> Effort {
    let halves = halves(profile.documents)
    guard profile.recorded <= judgedUpTo, devices > 1, options.proposals ?? 1 > 0, let (first, second) = halves else {
      return .annealed
    }
    // [half][effort]: Σ C_T of the other half.
    var rows: [[Int]] = []
    var options = options
    options.proposals = min(options.proposals ?? .max, judgedRounds * round(experts: profile.experts))
    for (fitted, held) in [(first, second), (second, first)] {
      let (load, coactivation) = counts(profile, tokens: fitted)
      let search = RefinementSearch(
        experts: profile.experts, topK: profile.topK, sets: profile.sets, tokens: fitted, load: load,
        coactivation: coactivation, layer: profile.layer, devices: devices, options: options)
      let unseen = held.flatMap { profile.sets[$0 * profile.topK..<($0 + 1) * profile.topK] }
      rows.append(
        Effort.allCases.map { effort in
          Prediction.deviceRows(
            unseen, topK: profile.topK, placement: search.run(effort, enough: nil).placement, devices: devices)
        })
    }
    let full = Effort.annealed.rawValue
    let better = Effort.allCases.filter { effort in rows.allSatisfy { $0[effort.rawValue] < $0[full] } }
    return better.min { a, b in
      rows.reduce(0) { $0 + $1[a.rawValue] } < rows.reduce(0) { $0 + $1[b.rawValue] }
    } ?? .annealed
  }

  /// Tokens in two halves: by document in turn where there are at least eight, else by blocks of 200; `nil` for fewer
  /// than two.
  static func halves(_ documents: [Int32]) -> ([Int], [Int])? {
    let known = Set(documents)
    var halves: ([Int], [Int]) = ([], [])
    var rank: [Int32: Int] = [:]
    for (token, document) in documents.enumerated() {
      let group: Int
      if known.count >= 8 {
        group = rank[document] ?? rank.count
        rank[document] = group
      } else {
        group = token / 200
      }
      if group % 2 == 0 { halves.0.append(token) } else { halves.1.append(token) }
    }
    return halves.0.isEmpty || halves.1.isEmpty ? nil : halves
  }

  /// Load and A of some recorded sets.
  static func counts(_ profile: LayerProfile, tokens: [Int]) -> (load: [Int64], coactivation: [Int64]) {
    let experts = profile.experts
    var load = [Int64](repeating: 0, count: experts)
    var coactivation = [Int64](repeating: 0, count: experts * experts)
    for token in tokens {
      let set = profile.sets[token * profile.topK..<(token + 1) * profile.topK]
      for i in set {
        load[Int(i)] += 1
        for j in set where j != i { coactivation[Int(i) * experts + Int(j)] += 1 }
      }
    }
    return (load, coactivation)
  }
}
