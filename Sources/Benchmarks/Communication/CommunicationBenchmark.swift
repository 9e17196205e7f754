internal import Placements
public import Profiles
public import ExpertParallel
internal import Models
internal import Tensors
internal import Training

/// What travels between ranks, and how long it takes, under rules and placements: one MoE layer and a whole training
/// step.
///
/// Tokens choose what recorded tokens chose. Placements are fitted to recorded tokens that are not measured. All
/// variants run in turn in each round, so that the machine's moods hit all of them; every time is that of the slowest
/// rank. Beside each runs the same without the wire, see ``RehearsedCommunicator``.
public struct CommunicationBenchmark: Sendable {
  /// What is timed.
  public enum Measure: String, Sendable, CaseIterable, Codable {
    /// One layer, forward.
    case forward
    /// One layer, forward and backward.
    case backward
    /// A whole step of a model that trains experts and routers: forward, backward, sums over ranks, AdamW.
    case step
  }

  /// Width of the hidden states and of one expert.
  public var hidden = 1024, intermediate = 16
  /// The model of the whole step.
  public var layers = 2, heads = 8, vocabulary = 512
  /// Tokens of each rank.
  public var tokens = 256
  /// Timed rounds.
  public var rounds = 5
  /// Of placements and weights.
  public var seed: UInt64 = 0
  /// Most max/mean load of `refined`.
  public var loadCap: Double? = 1.10
  /// N, a divisor of the number of ranks: bytes are counted inside nodes and between them, and with several nodes
  /// variants that cross to each once are run as well.
  public var nodes = 1
  /// How rows travel; whether once for each expert, and whether by way of nodes, is up to the variant.
  public var options = DispatchOptions()
  /// What is timed.
  public var measures = Measure.allCases

  /// With the defaults.
  public init() {}

  /// One rule on one placement.
  struct Variant {
    let name: String
    let placement: PlacementMethod
    var limit: Int?
    var mode = DispatchPlan.Mode.deduplicated
    /// N of the way that rows take and of the placement.
    var nodes = 1
    /// Whether experts work while rows travel.
    var overlaps = false
    /// Whether whole steps are run as well.
    var isHeadline = false

    /// Whether time is held against copies: not where links differ, or the way of working.
    var isFitted: Bool { nodes == 1 && !overlaps }
  }

  /// Rules and placements; the baseline is `contiguous`.
  func variants(devices: Int) -> [Variant] {
    var variants = [
      Variant(name: "naive", placement: .contiguous, mode: .naive, isHeadline: true),
      Variant(name: "contiguous", placement: .contiguous, isHeadline: true),
      Variant(name: "placed", placement: .refined, isHeadline: true),
    ]
    for limit in [2, 1] where limit < devices {
      variants.append(Variant(name: "placed L=\(limit)", placement: .refined, limit: limit, isHeadline: true))
    }
    variants.append(Variant(name: "random", placement: .random))
    for limit in [3, 2, 1] where limit < devices {
      variants.append(Variant(name: "contiguous L=\(limit)", placement: .contiguous, limit: limit))
    }
    if devices > 3 { variants.append(Variant(name: "placed L=3", placement: .refined, limit: 3)) }
    variants.append(Variant(name: "placed naive", placement: .refined, mode: .naive))
    if nodes > 1 {
      variants.append(Variant(name: "contiguous \(nodes) nodes", placement: .contiguous, nodes: nodes))
      variants.append(Variant(name: "placed \(nodes) nodes", placement: .refined, nodes: nodes, isHeadline: true))
    }
    return variants + [Variant(name: "overlap", placement: .contiguous, overlaps: true, isHeadline: true)]
  }

  /// Recorded tokens that a run needs: as many to fit placements to as are measured.
  ///
  /// - Parameter devices: D.
  /// - Returns: The least number.
  public func recordedTokens(devices: Int) -> Int { 2 * devices * tokens }

  /// Runs all variants; collective.
  ///
  /// - Parameters:
  ///   - profile: A layer with ``recordedTokens(devices:)`` tokens or more.
  ///   - ranks: As many as devices, at least two, a divisor of E.
  ///   - progress: Told the rounds done.
  /// - Returns: What was measured, on every rank.
  /// - Throws: `PlacementError`, `RoutingError` or `ConfigurationError` for an impossible shape.
  public func run(
    _ profile: LayerProfile, over ranks: any Communicator, progress: (Int) -> Void = { _ in }
  ) throws -> CommunicationReport {
    let devices = ranks.size
    precondition(
      profile.recorded >= recordedTokens(devices: devices),
      "CommunicationBenchmark: \(profile.recorded) tokens for \(devices) ranks of \(tokens)")
    let first = profile.recorded - devices * tokens
    let (fitted, measured) = (
      PlacementBenchmark.part(profile, Array(0..<first)), first..<profile.recorded
    )
    let wire = RehearsedCommunicator(ranks)
    let logits = profile.logits(of: measured)
    var subjects: [CommunicationSubject] = []
    for variant in variants(devices: devices) {
      let known = subjects.first {
        $0.variant.placement == variant.placement && $0.variant.nodes == variant.nodes
      }?.expertDevice
      let expertDevice = try known ?? place(fitted, variant, over: ranks)
      subjects.append(try CommunicationSubject(self, profile, variant, expertDevice, logits, over: wire))
    }
    // The first round warms up, counts bytes and keeps what arrives.
    for index in subjects.indices { try subjects[index].record(run: index) }
    progress(0)
    for round in 0..<rounds {
      for index in subjects.indices { try subjects[index].time(run: index) }
      progress(round + 1)
    }
    return CommunicationReport(self, profile, subjects.map { $0.result(over: ranks) }, devices: devices)
  }

  /// π, found on rank 0.
  private func place(
    _ profile: LayerProfile, _ variant: Variant, over ranks: any Communicator
  ) throws -> [Int] {
    func place() throws(PlacementError) -> [Int] {
      let cap = variant.placement == .refined ? loadCap : nil
      return try variant.placement.place(
        profile, nodes: variant.nodes, devices: ranks.size, options: PlacementOptions(seed: seed, loadCap: cap))
    }
    let placed = ranks.broadcast(ranks.rank == 0 ? ((try? place()) ?? []).map { UInt8($0) } : [])
    // What failed on rank 0 fails everywhere, with the same words.
    return placed.isEmpty ? try place() : placed.map(Int.init)
  }
}
