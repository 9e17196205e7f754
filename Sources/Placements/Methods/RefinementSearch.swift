internal import Formats
internal import Routing

/// One layer's search for the placement of least Σ C_T under a load cap.
struct RefinementSearch {
  let layer: Int
  let devices: Int
  let options: PlacementOptions
  let load: [Int64]
  /// Most load of a device.
  let cap: Int64
  let room: ClosedRange<Int>
  /// Every recorded set, and the sample that annealing works on.
  let all: DistinctSets
  let sample: DistinctSets
  /// In the order in which rounds begin from them.
  let starts: [[Int]]

  /// Prepares sets and starts. `load` and `coactivation` are those of `tokens`, which choose among `sets`; all if
  /// `nil`.
  init(
    experts: Int, topK: Int, sets: [Int32], tokens: [Int]?, load: [Int64], coactivation: [Int64], layer: Int,
    devices: Int, options: PlacementOptions
  ) {
    self.layer = layer
    self.devices = devices
    self.options = options
    self.load = load
    let share = experts / devices
    room = max(1, share - options.slack)...share + options.slack
    all = DistinctSets(experts: experts, topK: topK, sets: sets, tokens: tokens)
    if all.rows > Refinement.annealedSets {
      let tokens = tokens ?? Array(0..<sets.count / topK)
      let step = (all.rows + Refinement.annealedSets - 1) / Refinement.annealedSets
      sample = DistinctSets(
        experts: experts, topK: topK, sets: sets, tokens: stride(from: 0, to: tokens.count, by: step).map { tokens[$0] }
      )
    } else {
      sample = all
    }
    starts = [
      PlacementMethod.greedy(coactivation, experts: experts, devices: devices),
      PlacementMethod.spectral(coactivation, experts: experts, devices: devices, seed: options.seed),
      PlacementMethod.balanced(load, devices: devices), PlacementMethod.contiguous(experts: experts, devices: devices),
    ]
    cap = Refinement.cap(load: load, devices: devices, options: options)
  }

  /// A placement and its Σ C_T over all sets.
  struct Found {
    var placement: [Int]
    var deviceRows: Int
    var proposals = 0
  }

  /// Searches.
  ///
  /// - Parameters:
  ///   - effort: how far.
  ///   - enough: asked after every round of annealing.
  /// - Returns: the best placement found.
  func run(_ effort: Refinement.Effort, enough: (() -> Bool)?) -> Found {
    let search = SwapSearch(all, load: load, placement: starts[2], devices: devices, cap: cap, room: room)
    var best: Found?
    func keep() {
      if search.deviceRows < best?.deviceRows ?? .max {
        best = Found(placement: search.placement, deviceRows: search.deviceRows)
      }
    }
    var within: [[Int]] = []
    for start in starts {
      search.restart(from: start)
      // The load placement sets the cap where no better one can, so at least one start passes.
      guard search.repair() else { continue }
      within.append(search.placement)
      if effort != .start { search.descend() }
      keep()
    }
    guard var best else { preconditionFailure("refined: layer \(layer): the load placement is over its own cap") }
    if effort == .annealed, devices > 1 { best.proposals = anneal(search, from: within, &best, enough: enough) }
    return best
  }

  /// Rounds of annealing; returns the proposals used.
  private func anneal(
    _ search: SwapSearch, from starts: [[Int]], _ best: inout Found, enough: (() -> Bool)?
  ) -> Int {
    let experts = load.count
    let coarse =
      sample == all
      ? nil : SwapSearch(sample, load: load, placement: best.placement, devices: devices, cap: cap, room: room)
    // In units of an expert's mean share of Σ C_T: hot enough to forget the start, cold enough to end at rest.
    let unit = Double((coarse ?? search).data.total * all.topK) / Double(experts)
    // A token more than a device may carry costs what so many copies do; without a cap that binds, nothing does.
    let total = load.reduce(0, +)
    let copy = Double((coarse ?? search).data.total * all.topK) / Double(max(total, 1))
    let penalties = cap < total ? (first: copy, last: 5 * copy) : nil
    let round = Refinement.round(experts: experts)
    let budget = options.proposals ?? (enough == nil ? PlacementOptions.rounds * round : .max)
    var used = 0
    var number = 0
    while used < budget {
      let length = min(round, budget - used)
      var generator = SplitMix64(seed: options.seed ^ UInt64(number) &* 0x9E37_79B9, item: layer)
      let walker = coarse ?? search
      if number < starts.count {
        walker.restart(from: starts[number])
      } else {
        walker.restart(from: best.placement)
      }
      let reheated = number >= starts.count && number % 2 == 0
      walker.anneal(
        proposals: length, temperatures: (unit * (reheated ? 0.03 : 0.1), unit * 0.001), penalties: penalties,
        &generator)
      if coarse != nil { search.restart(from: walker.placement) }
      let isWithin = search.repair()
      if isWithin { search.descend() }
      if isWithin, search.deviceRows < best.deviceRows {
        best = Found(placement: search.placement, deviceRows: search.deviceRows)
      }
      used += length
      number += 1
      // At least as many as `Refinement.judge` spends on a half, so that the count alone repeats the search.
      if number >= Refinement.judgedRounds, enough?() ?? false { break }
    }
    return used
  }
}
