/// What was passed to MPI, by what it was for: bytes that left this rank.
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

  /// Bytes sent to other ranks.
  public private(set) var bytes: [Kind: Int] = [:]

  /// Nothing sent.
  public init() {}

  /// Adds what was sent.
  public mutating func add(_ count: Int, _ kind: Kind) { if count > 0 { bytes[kind, default: 0] += count } }

  /// Σ over kinds that `includes`.
  public func total(where includes: (Kind) -> Bool = { _ in true }) -> Int {
    bytes.reduce(0) { includes($1.key) ? $0 + $1.value : $0 }
  }
}
