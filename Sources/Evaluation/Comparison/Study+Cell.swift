/// One arm, trained from one seed, evaluated under one routing rule.
///
/// A *rule* goes by the name of the arm or entry of `study.rules` that defines it; where a study varies nothing but the
/// limit, the limit says as much.
public struct Cell: Codable, Equatable, Sendable {
  /// Name of the arm: `base`, `standard`, `L2`, ….
  public var arm: String
  /// Whether the arm's weights were fine-tuned.
  public var fineTuned: Bool
  /// Limit under which the arm was trained; `nil` when there was none.
  public var trainedLimit: Int?
  /// Limit under which it is evaluated here; `nil` for no limit.
  public var evaluatedLimit: Int?
  /// Rule under which the arm was trained; `nil` when there was none.
  public var trainedRule: String?
  /// Rule under which it is evaluated here; `nil` for none.
  public var evaluatedRule: String?
  /// Seed it was trained from; `nil` for the base.
  public var seed: Int?
  /// Routing rule that enforces the limit: `none`, `router`, ….
  public var policy: String
  /// Losses on held-out text of the fine-tuning task, response tokens only.
  public var target: [DocumentLoss]
  /// Losses on held-out text of the base's domain; empty when not measured.
  public var retention: [DocumentLoss]
  /// Communication figures over all layers together.
  public var communication: CommunicationFigures
  /// The same figures for every MoE layer.
  public var layers: [CommunicationFigures]

  /// Gathers the measurements of one cell.
  public init(
    arm: String, fineTuned: Bool, trainedLimit: Int?, evaluatedLimit: Int?, trainedRule: String?,
    evaluatedRule: String?, seed: Int?, policy: String, target: [DocumentLoss], retention: [DocumentLoss],
    communication: CommunicationFigures, layers: [CommunicationFigures]
  ) {
    self.arm = arm
    self.fineTuned = fineTuned
    self.trainedLimit = trainedLimit
    self.evaluatedLimit = evaluatedLimit
    self.trainedRule = trainedRule
    self.evaluatedRule = evaluatedRule
    self.seed = seed
    self.policy = policy
    self.target = target
    self.retention = retention
    self.communication = communication
    self.layers = layers
  }

  /// The cell's name in messages, as in `arm 'L2' under rule 'L1', seed 3`; no two cells share it.
  public var name: String {
    "arm '\(arm)' \(evaluatedRule.map { "under rule '\($0)'" } ?? "without a limit")\(seed.map { ", seed \($0)" } ?? "")"
  }

  enum CodingKeys: String, CodingKey {
    case arm, seed, policy, target, retention, communication, layers
    case fineTuned = "fine_tuned"
    case trainedLimit = "trained_limit"
    case evaluatedLimit = "evaluated_limit"
    case trainedRule = "trained_rule"
    case evaluatedRule = "evaluated_rule"
  }
}

/// Loss of one document: the unit that is resampled and paired.
public struct DocumentLoss: Codable, Equatable, Sendable {
  /// Identity of the document, the same in every cell.
  public var document: String
  /// Σ of negative log-likelihoods over the document's counted tokens, in nats.
  public var nll: Double
  /// Number of counted tokens, at least 1.
  public var tokens: Int

  /// A document's summed loss and its number of tokens.
  public init(document: String, nll: Double, tokens: Int) {
    self.document = document
    self.nll = nll
    self.tokens = tokens
  }
}

/// Communication of one layer, or of all layers together, per token.
public struct CommunicationFigures: Codable, Equatable, Sendable {
  /// Absolute index of the layer; `nil` for the mean over all MoE layers.
  public var layer: Int?
  /// Mean number C_T of distinct devices that hold a token's experts.
  public var devicesPerToken: Double
  /// Mean number of those devices that are not the token's home: rows that cross the wire, per direction.
  public var remoteCopies: Double
  /// Copies that per-expert dispatch makes: k, one for every expert that the router chose.
  public var naiveCopies: Double
  /// Those of them that leave home.
  public var naiveRemoteCopies: Double
  /// Bytes on the wire for one token in one layer and one direction.
  public var bytes: Double
  /// The same for per-expert dispatch.
  public var naiveBytes: Double
  /// Share of collaborating expert pairs that live on one device, 0…1.
  public var intraShare: Double
  /// Mean over steps of max / mean over devices, for expert rows (compute).
  public var imbalanceRows: Double
  /// Mean over steps of max / mean over devices, for received rows (wire).
  public var imbalanceWire: Double
  /// Mean share of the top-k probability that the used experts keep, 0…1.
  public var retainedMass: Double
  /// Mean number of copies that cross between nodes, per direction; `nil` on one node.
  public var copiesBetweenNodes: Double?
  /// Mean number of copies that stay inside a node; `nil` on one node.
  public var copiesInsideNodes: Double?

  /// Gathers the figures of one layer, or of all with `layer` = `nil`.
  public init(
    layer: Int?, devicesPerToken: Double, remoteCopies: Double, naiveCopies: Double, naiveRemoteCopies: Double,
    bytes: Double, naiveBytes: Double, intraShare: Double, imbalanceRows: Double, imbalanceWire: Double,
    retainedMass: Double, copiesBetweenNodes: Double? = nil, copiesInsideNodes: Double? = nil
  ) {
    self.layer = layer
    self.devicesPerToken = devicesPerToken
    self.remoteCopies = remoteCopies
    self.naiveCopies = naiveCopies
    self.naiveRemoteCopies = naiveRemoteCopies
    self.bytes = bytes
    self.naiveBytes = naiveBytes
    self.intraShare = intraShare
    self.imbalanceRows = imbalanceRows
    self.imbalanceWire = imbalanceWire
    self.retainedMass = retainedMass
    (self.copiesBetweenNodes, self.copiesInsideNodes) = (copiesBetweenNodes, copiesInsideNodes)
  }

  enum CodingKeys: String, CodingKey {
    case layer, bytes
    case devicesPerToken = "devices_per_token"
    case remoteCopies = "remote_copies"
    case naiveCopies = "naive_copies"
    case naiveRemoteCopies = "naive_remote_copies"
    case naiveBytes = "naive_bytes"
    case intraShare = "intra_share"
    case imbalanceRows = "imbalance_rows"
    case imbalanceWire = "imbalance_wire"
    case retainedMass = "retained_mass"
    case copiesBetweenNodes = "copies_between_nodes"
    case copiesInsideNodes = "copies_inside_nodes"
  }

  /// Every figure with the name it has in files, for checks.
  var named: [(name: String, value: Double)] {
    [
      ("devices_per_token", devicesPerToken), ("remote_copies", remoteCopies), ("naive_copies", naiveCopies),
      ("naive_remote_copies", naiveRemoteCopies), ("bytes", bytes), ("naive_bytes", naiveBytes),
      ("intra_share", intraShare), ("imbalance_rows", imbalanceRows), ("imbalance_wire", imbalanceWire),
      ("retained_mass", retainedMass),
    ]
      + [("copies_between_nodes", copiesBetweenNodes), ("copies_inside_nodes", copiesInsideNodes)].compactMap {
        (name, value) in value.map { (name, $0) }
      }
  }
}
