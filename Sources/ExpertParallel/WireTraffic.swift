/// What was passed to MPI, by what it was for and where it went: bytes that left this rank.
public struct WireTraffic: Sendable, Equatable {
  /// What bytes are for.
  public struct Kind: Hashable, Sendable {
    /// Absolute layer number; nil for what belongs to no layer.
    public var layer: Int?
    /// On the way out (dispatch), back (combine), or neither.
    public var direction: Direction
    /// What the bytes hold.
    public var purpose: Purpose

    /// A kind; see the properties.
    public init(layer: Int? = nil, direction: Direction = .none, purpose: Purpose) {
      (self.layer, self.direction, self.purpose) = (layer, direction, purpose)
    }
  }

  /// Where bytes go in a sparse layer. Backward, the gradient of a dispatch is a combine and the reverse.
  public enum Direction: String, Sendable, CaseIterable, Codable {
    /// To the experts, forward.
    case dispatch
    /// From the experts, forward.
    case combine
    /// To the experts, backward: gradients of the outputs.
    case dispatchGradient = "dispatch_gradient"
    /// From the experts, backward: gradients of the inputs.
    case combineGradient = "combine_gradient"
    /// Outside of sparse layers.
    case none
  }

  /// What bytes hold.
  public enum Purpose: String, Sendable, CaseIterable, Codable {
    /// Hidden states or their gradients.
    case rows
    /// Numbers of rows and entries, experts, weights or their gradients.
    case metadata
    /// Gradients of replicated parameters.
    case gradients
    /// Losses, norms, counts.
    case scalars
    /// Parameters, for checkpoints.
    case parameters
  }

  /// Bytes sent to each rank, by kind; nothing for oneself.
  public private(set) var sent: [Kind: [Int]] = [:]

  /// Bytes sent to other ranks.
  public var bytes: [Kind: Int] { sent.mapValues { $0.reduce(0, +) } }

  /// Nothing sent.
  public init() {}

  /// Adds what was sent.
  ///
  /// - Parameters:
  ///   - counts: Bytes for each rank.
  ///   - kind: What they are.
  public mutating func add(_ counts: [Int], _ kind: Kind) {
    guard counts.contains(where: { $0 > 0 }) else { return }
    sent[kind] = sent[kind].map { zip($0, counts).map(+) } ?? counts
  }

  /// What was sent since an earlier reading.
  public func since(_ earlier: WireTraffic) -> WireTraffic {
    var later = WireTraffic()
    for (kind, counts) in sent {
      later.add(earlier.sent[kind].map { zip(counts, $0).map(-) } ?? counts, kind)
    }
    return later
  }

  /// Σ over kinds that `includes`, and over ranks.
  ///
  /// - Parameters:
  ///   - ranks: Where the bytes went; nil for anywhere.
  ///   - includes: Which kinds.
  /// - Returns: Bytes.
  public func total(to ranks: Range<Int>? = nil, where includes: (Kind) -> Bool = { _ in true }) -> Int {
    sent.reduce(0) { sum, entry in
      guard includes(entry.key) else { return sum }
      return sum + (ranks.map { entry.value[$0].reduce(0, +) } ?? entry.value.reduce(0, +))
    }
  }
}
