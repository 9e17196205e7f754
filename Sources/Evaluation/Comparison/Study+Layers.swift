/// Loss of one arm while it was trained.
public struct LossCurve: Codable, Equatable, Sendable {
  /// Name of the arm.
  public var arm: String
  /// Measurements by rising step.
  public var points: [Point]

  /// A curve of an arm.
  public init(arm: String, points: [Point]) {
    self.arm = arm
    self.points = points
  }

  /// Losses at one step; a step has a training loss, a validation loss, or both.
  public struct Point: Codable, Equatable, Sendable {
    /// Optimiser step, from 0 (before the first) on.
    public var step: Int
    /// Tokens seen so far.
    public var tokens: Int
    /// Cross-entropy of the step's batch, nats per token.
    public var train: Double?
    /// Cross-entropy on validation text after the step, nats per token.
    public var validation: Double?

    /// Losses at one step.
    public init(step: Int, tokens: Int, train: Double?, validation: Double?) {
      self.step = step
      self.tokens = tokens
      self.train = train
      self.validation = validation
    }
  }
}

/// Collaboration of one layer's experts in the base model, and where they were placed.
public struct LayerPlacement: Codable, Equatable, Sendable {
  /// Absolute index of the layer.
  public var layer: Int
  /// A, row-major [E, E]: tokens that use both experts; the diagonal is not read.
  public var coactivation: [Int]
  /// Tokens that use each expert, [E].
  public var load: [Int]
  /// Device of each expert under the placement used, [E].
  public var expertDevice: [Int]
  /// What was predicted for experts in their original order, in equal blocks.
  public var contiguous: PlacementPrediction
  /// What was predicted for the placement used.
  public var chosen: PlacementPrediction

  /// Gathers what is known of one layer.
  public init(
    layer: Int, coactivation: [Int], load: [Int], expertDevice: [Int], contiguous: PlacementPrediction,
    chosen: PlacementPrediction
  ) {
    self.layer = layer
    self.coactivation = coactivation
    self.load = load
    self.expertDevice = expertDevice
    self.contiguous = contiguous
    self.chosen = chosen
  }

  /// Number E of experts.
  public var experts: Int { expertDevice.count }

  enum CodingKeys: String, CodingKey {
    case layer, coactivation, load, contiguous, chosen
    case expertDevice = "expert_device"
  }
}

/// Communication that a placement is expected to cause in one layer.
public struct PlacementPrediction: Codable, Equatable, Sendable {
  /// Mean number C_T of distinct devices that hold a token's experts.
  public var devicesPerToken: Double
  /// Expected copies that leave home, per direction.
  public var remoteCopies: Double
  /// Share of collaborating expert pairs that live on one device, 0…1.
  public var intraShare: Double
  /// Max / mean over devices of expert rows.
  public var imbalance: Double

  /// Gathers a prediction.
  public init(devicesPerToken: Double, remoteCopies: Double, intraShare: Double, imbalance: Double) {
    self.devicesPerToken = devicesPerToken
    self.remoteCopies = remoteCopies
    self.intraShare = intraShare
    self.imbalance = imbalance
  }

  enum CodingKeys: String, CodingKey {
    case imbalance
    case devicesPerToken = "devices_per_token"
    case remoteCopies = "remote_copies"
    case intraShare = "intra_share"
  }
}
