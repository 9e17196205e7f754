internal import Formats
internal import Placements
public import Profiles
internal import Routing

/// Placement methods fitted on one half of recorded tokens and judged on the other.
public struct PlacementBenchmark {
  /// Seed of placements and of the bootstrap.
  public var seed: UInt64 = 0
  /// What held-out traffic is timed for.
  public var step = PlacementStep()
  /// METIS, where it is installed.
  public var metis: MetisPeer?
  /// Shortest block of consecutive tokens that is drawn as one.
  public static let block = 200

  /// With the defaults, and METIS if it is there.
  public init() { metis = MetisPeer() }

  /// One method on one layer.
  public struct Row: Sendable, Encodable {
    /// Which recording, and layer.
    public let data: String
    /// Whether chance alone decides which experts meet.
    public let nullModel: Bool
    /// D.
    public let devices: Int
    /// `refined`, `refined capped`, or a rival.
    public let method: String
    /// E[C_T] on the fitted half.
    public let fitted: Double
    /// E[C_T] on the other half.
    public let heldOut: Double
    /// The same on sets that the fitted half does not hold.
    public let novel: Double
    /// max/mean load on the held-out half.
    public let imbalance: Double
    /// Predicted microseconds a token.
    public let microseconds: Double
    /// Seconds that fitting took.
    public let seconds: Double
    /// E[C_T] of `refined` under this method's own imbalance as load cap, minus this method's: 95 % interval over
    /// blocks.
    public let refinedAtEqualImbalance: [Double]?
    /// The same on novel sets.
    public let refinedAtEqualImbalanceNovel: [Double]?
  }

  /// Fits and judges every method on a layer.
  ///
  /// - Parameters:
  ///   - profile: a layer; its recorded sets in the order of the text.
  ///   - data: its name.
  ///   - devices: D, a divisor of E, at most 64.
  ///   - nullModel: judge a draw with the same loads and no structure instead, without rivals.
  /// - Returns: a row a method; none if there are fewer than two blocks on either side.
  /// - Throws: `PlacementError`.
  public func run(
    _ profile: LayerProfile, data: String, devices: Int, nullModel: Bool = false
  ) throws -> [Row] {
    let profile = nullModel ? NullModel.draw(profile, seed: seed, item: 0) : profile
    let blocks = Self.blocks(profile.documents)
    guard blocks.count >= 4 else { return [] }
    let fitted = blocks[..<(blocks.count / 2)].flatMap { $0 }
    let held = Array(blocks[(blocks.count / 2)...])
    let half = Self.part(profile, fitted)
    let known = Set(fitted.map { Array(profile.sets[$0 * profile.topK..<($0 + 1) * profile.topK]) })
    let novel = (0..<profile.recorded).map {
      !known.contains(Array(profile.sets[$0 * profile.topK..<($0 + 1) * profile.topK]))
    }
    func judge(_ placement: [Int]) -> HeldOutTraffic {
      HeldOutTraffic(profile, blocks: held, novel: novel, placement: placement, devices: devices, step: step)
    }
    func refined(_ cap: Double?) throws -> [Int] {
      try PlacementMethod.refined.place(half, devices: devices, options: PlacementOptions(seed: seed, loadCap: cap))
    }
    var rows: [Row] = []
    func add(_ name: String, rival: Bool, _ fit: () throws -> [Int]?) throws {
      let begun = ContinuousClock.now
      guard let placement = try fit() else { return }
      let time = (ContinuousClock.now - begun) / .seconds(1)
      let traffic = judge(placement)
      let prediction = try Prediction(half, placement: placement, devices: devices)
      var intervals: [[Double]] = []
      if rival {
        // A cap just above what the rival has: the same, but for rounding down to whole loads.
        let equal = judge(try refined(max(1, prediction.imbalance * (1 + 1e-12))))
        intervals = [HeldOutTraffic.Figure.devicesPerToken, .novel].map {
          let interval = equal.difference($0, from: traffic, seed: seed)
          return [equal.value($0) - traffic.value($0), interval.lowerBound, interval.upperBound]
        }
      }
      rows.append(
        Row(
          data: data, nullModel: nullModel, devices: devices, method: name, fitted: prediction.devicesPerToken,
          heldOut: traffic.value(.devicesPerToken), novel: traffic.value(.novel), imbalance: traffic.imbalance,
          microseconds: traffic.value(.time) * 1e6, seconds: time, refinedAtEqualImbalance: intervals.first,
          refinedAtEqualImbalanceNovel: intervals.last))
    }
    let methods: [PlacementMethod] = nullModel ? [.contiguous, .occult] : [.contiguous, .load, .occult, .spectral]
    for method in methods {
      try add(method.rawValue, rival: method != .contiguous && !nullModel) {
        try method.place(half, devices: devices, options: PlacementOptions(seed: seed))
      }
    }
    if let metis, !nullModel {
      try add("metis", rival: true) {
        metis.place(half.coactivation, experts: half.experts, devices: devices, seed: seed)
      }
    }
    try add("refined", rival: false) { try refined(nil) }
    if nullModel { return rows }
    try add("refined capped", rival: false) { try refined(1.10) }
    return rows
  }

  /// Consecutive tokens in blocks of at least `block`, cut where a document ends if that is known.
  static func blocks(_ documents: [Int32]) -> [[Int]] {
    let several = Set(documents).count >= 8
    var blocks: [[Int]] = []
    var current: [Int] = []
    for token in documents.indices {
      let starts = token == 0 || !several || documents[token] != documents[token - 1]
      if current.count >= block, starts {
        blocks.append(current)
        current = []
      }
      current.append(token)
    }
    // What is left over is too short to stand alone.
    if current.count >= block || blocks.isEmpty {
      blocks.append(current)
    } else {
      blocks[blocks.count - 1] += current
    }
    return blocks
  }

  /// A layer's profile of some of its recorded tokens.
  static func part(_ profile: LayerProfile, _ tokens: [Int]) -> LayerProfile {
    var accumulator = ProfileAccumulator(
      experts: profile.experts, topK: profile.topK, recordedLimit: max(tokens.count, 1))
    let slots = tokens.flatMap { $0 * profile.topK..<($0 + 1) * profile.topK }
    accumulator.add(
      layer: profile.layer, topK: slots.map { profile.sets[$0] },
      weights: slots.map { profile.weights.isEmpty ? 0 : profile.weights[$0] },
      documents: tokens.map { profile.documents[$0] })
    return accumulator.profile(modelType: nil, data: "").layers[0]
  }

  /// How far `refined` is from the optimum, and a certificate from it, on small random layers.
  public struct Exactness: Sendable, Encodable {
    /// Layers tried.
    public let layers: Int
    /// Largest E[C_T] of `refined` / optimum.
    public let worstRatio: Double
    /// Largest optimum / lower bound; below 1 a bound would be wrong.
    public let worstBound: Double
    /// Smallest optimum / lower bound.
    public let leastBound: Double
  }

  /// Compares with exact search on layers of up to 16 experts, without structure and with, with a cap and without.
  ///
  /// - Parameter draws: of each kind.
  /// - Returns: the worst found.
  /// - Throws: `PlacementError`.
  public func exactness(draws: Int) throws -> Exactness {
    var (layers, ratio, most, least) = (0, 1.0, 1.0, Double.infinity)
    var generator = SplitMix64(seed: seed)
    for _ in 0..<draws {
      for (experts, topK, devices) in [(8, 2, 2), (8, 3, 4), (12, 4, 3), (16, 4, 4), (16, 4, 2)] {
        for structured in [false, true] {
          let profile = Self.random(experts, topK, groups: structured ? devices : 1, &generator)
          for cap in [nil, 1.10] as [Double?] {
            guard let exact = ExactPlacement.place(profile, devices: devices, loadCap: cap) else { continue }
            let options = PlacementOptions(seed: seed, loadCap: cap)
            let placement = try PlacementMethod.refined.place(profile, devices: devices, options: options)
            let found = try Prediction(profile, placement: placement, devices: devices).devicesPerToken
            let certificate = Placement.Certificate(
              profile, placement: placement, devices: devices, options: options)
            layers += 1
            ratio = max(ratio, found / exact.devicesPerToken)
            most = max(most, exact.devicesPerToken / certificate.lowerBound)
            least = min(least, exact.devicesPerToken / certificate.lowerBound)
          }
        }
      }
    }
    return Exactness(layers: layers, worstRatio: ratio, worstBound: most, leastBound: least)
  }

  /// 150 tokens that prefer experts of one residue class.
  static func random(_ experts: Int, _ topK: Int, groups: Int, _ generator: inout SplitMix64) -> LayerProfile {
    var sets: [Int32] = []
    for _ in 0..<150 {
      let group = generator.below(groups)
      var set: Set<Int32> = []
      while set.count < topK {
        let expert = generator.below(experts)
        if expert % groups == group || generator.below(4) == 0 { set.insert(Int32(expert)) }
      }
      sets += set.sorted()
    }
    var accumulator = ProfileAccumulator(experts: experts, topK: topK)
    accumulator.add(
      layer: 0, topK: sets, weights: [Float](repeating: 1 / Float(topK), count: sets.count),
      documents: [Int32](repeating: 0, count: 150))
    return accumulator.profile(modelType: nil, data: "").layers[0]
  }
}
