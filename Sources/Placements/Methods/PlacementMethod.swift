internal import Formats
public import Profiles
internal import Routing

/// How experts are put on devices: pure functions of one layer's profile.
///
/// To add one: a case here and its function in a file of its own.
public enum PlacementMethod: String, CaseIterable, Codable, Sendable {
  /// Experts in their own order: device 0 holds the first E/D, and so on.
  case contiguous
  /// A seeded shuffle.
  case random
  /// The paper's greedy on the collaboration graph; raises imbalance, see `greedy`.
  case occult
  /// Spectral clustering of the collaboration graph into equal groups.
  case spectral
  /// Even load only: heaviest expert first into the least loaded device with room.
  case load
  /// Annealed swaps from the others on the true E[C_T], under a load cap.
  case refined

  /// Places one layer's experts.
  ///
  /// - Parameters:
  ///   - profile: the layer.
  ///   - devices: D, a divisor of E.
  ///   - options: seed, load cap, effort.
  /// - Returns: π, expert → device, E/D experts each.
  /// - Throws: `PlacementError` for impossible devices or cap, or missing recorded sets; `contiguous`, `random` and
  ///   `load` need none.
  public func place(
    _ profile: LayerProfile, devices: Int, options: PlacementOptions = .init()
  ) throws(PlacementError) -> [Int] {
    let experts = profile.experts
    guard (1...experts).contains(devices), experts % devices == 0 else {
      throw .devices(file: "place", experts: experts, found: devices)
    }
    if self == .occult || self == .spectral, !profile.hasPairs { throw .noRecordedSets(layer: profile.layer) }
    switch self {
    case .contiguous: return Self.contiguous(experts: experts, devices: devices)
    case .random: return Self.random(experts: experts, devices: devices, seed: options.seed, layer: profile.layer)
    case .occult: return Self.greedy(profile.coactivation, experts: experts, devices: devices)
    case .spectral:
      return Self.spectral(profile.coactivation, experts: experts, devices: devices, seed: options.seed)
    case .load: return Self.balanced(profile.load, devices: devices)
    case .refined: return try Refinement.place(profile, devices: devices, options: options).placement
    }
  }

  /// How many proposals `refined` makes on a layer until it is told to stop: the count repeats the search exactly.
  ///
  /// - Parameters:
  ///   - profile: the layer.
  ///   - devices: D, a divisor of E.
  ///   - options: seed, load cap, slack; its proposals are not used.
  ///   - enough: asked after every round of annealing but the first.
  /// - Returns: proposals, for `PlacementOptions.proposals`.
  /// - Throws: `PlacementError`.
  public static func proposals(
    _ profile: LayerProfile, devices: Int, options: PlacementOptions, until enough: () -> Bool
  ) throws(PlacementError) -> Int {
    guard (1...profile.experts).contains(devices), profile.experts % devices == 0 else {
      throw .devices(file: "place", experts: profile.experts, found: devices)
    }
    var options = options
    options.proposals = nil
    return try withoutActuallyEscaping(enough) { enough throws(PlacementError) in
      try Refinement.place(profile, devices: devices, options: options, enough: enough).proposals
    }
  }

  /// How many proposals a layer let `refined`, its certificates and this very measurement end after so many seconds.
  ///
  /// Measured on the layer whose number of distinct sets is nearest the mean: what a proposal costs goes by them.
  ///
  /// - Parameters:
  ///   - profile: all layers that will be placed.
  ///   - devices: D, a divisor of E.
  ///   - options: seed, load cap, slack, whether to certify; its proposals are not used.
  ///   - searches: how often each layer will be searched.
  ///   - seconds: when all should be done, on `clock`.
  ///   - clock: seconds gone by.
  /// - Returns: proposals, for `PlacementOptions.proposals`; at least two rounds.
  /// - Throws: `PlacementError`.
  public static func proposals(
    _ profile: CollaborationProfile, devices: Int, options: PlacementOptions, searches: Int = 1, seconds: Double,
    clock: () -> Double
  ) throws(PlacementError) -> Int {
    let distinct = profile.layers.map {
      Double(DistinctSets(experts: $0.experts, topK: $0.topK, sets: $0.sets).rows)
    }
    let mean = distinct.reduce(0, +) / Double(max(distinct.count, 1))
    guard let typical = distinct.indices.min(by: { abs(distinct[$0] - mean) < abs(distinct[$1] - mean) }) else {
      return 0
    }
    let layer = profile.layers[typical]
    guard (1...profile.experts).contains(devices), profile.experts % devices == 0 else {
      throw .devices(file: "place", experts: profile.experts, found: devices)
    }
    let begun = clock()
    if options.certify {
      let placement = contiguous(experts: profile.experts, devices: devices)
      _ = Placement.Certificate(layer, placement: placement, devices: devices, options: options)
    }
    let certified = clock()
    let left = seconds - certified - (certified - begun) * Double(profile.layers.count)
    let end = certified + left / Double(profile.layers.count * searches + 1)
    return try proposals(layer, devices: devices, options: options) { clock() >= end }
  }

  /// Experts in their own order.
  ///
  /// - Parameters:
  ///   - experts: E.
  ///   - devices: D, a divisor of E.
  /// - Returns: π.
  public static func contiguous(experts: Int, devices: Int) -> [Int] {
    (0..<experts).map { $0 / (experts / devices) }
  }

  /// A shuffle that differs from layer to layer.
  ///
  /// - Parameters:
  ///   - experts: E.
  ///   - devices: D, a divisor of E.
  ///   - seed: of the whole placement.
  ///   - layer: absolute layer number.
  /// - Returns: π.
  public static func random(experts: Int, devices: Int, seed: UInt64, layer: Int) -> [Int] {
    var generator = SplitMix64(seed: seed, item: layer)
    var placement = contiguous(experts: experts, devices: devices)
    generator.shuffle(&placement)
    return placement
  }

  /// Heaviest expert first into the least loaded device with room; ties to the lower expert and the lower device.
  ///
  /// - Parameters:
  ///   - load: `[E]`, tokens per expert.
  ///   - devices: D, a divisor of E.
  /// - Returns: π.
  /// - Source: DeepSeek EPLB, `balanced_packing`.
  public static func balanced(_ load: [Int64], devices: Int) -> [Int] {
    let room = load.count / devices
    var placement = [Int](repeating: 0, count: load.count)
    var loads = [Int64](repeating: 0, count: devices)
    var counts = [Int](repeating: 0, count: devices)
    for expert in load.indices.sorted(by: { (load[$1], $0) < (load[$0], $1) }) {
      let free = (0..<devices).filter { counts[$0] < room }
      guard let device = free.min(by: { loads[$0] < loads[$1] }) else { break }
      placement[expert] = device
      loads[device] += load[expert]
      counts[device] += 1
    }
    return placement
  }
}

/// What placement methods may be told.
public struct PlacementOptions: Sendable, Equatable {
  /// Of `random`, `spectral`, and of the swaps that `refined` tries.
  public var seed: UInt64
  /// `refined`: most max/mean load of a device; `nil` lifts the cap.
  public var loadCap: Double?
  /// `refined`: swaps proposed per layer while annealing, which bounds its time; `nil` for `rounds` rounds of fifty
  /// looks at each pair of experts.
  public var proposals: Int?
  /// `refined`: how many experts a device may hold more or fewer than E/D.
  public var slack: Int
  /// Whether `Placement` carries a certificate, which costs about as much time as `refined`.
  public var certify = false

  /// Rounds of annealing where `proposals` is nil.
  static let rounds = 8

  /// The defaults of the commands.
  ///
  /// - Parameters:
  ///   - seed: of everything random.
  ///   - loadCap: most max/mean load.
  ///   - proposals: swaps proposed per layer.
  ///   - slack: experts more or fewer than E/D.
  public init(seed: UInt64 = 0, loadCap: Double? = 1.10, proposals: Int? = nil, slack: Int = 0) {
    self.seed = seed
    self.loadCap = loadCap
    self.proposals = proposals
    self.slack = slack
  }
}
