/// Everything that a comparison of arms and its report are made from: measured values, no models.
///
/// A study is a matrix of cells, arms × device limits under which they were evaluated. An *arm* is a checkpoint
/// (`base`, `standard`, `L2`, …); the *standard* arm is the one fine-tuned without a limit. All arms share base, data,
/// seed and batch order. Losses are kept per document, because intervals resample documents, never tokens.
public struct Study: Codable, Equatable, Sendable {
  /// What was run, on what, and how long it took.
  public var facts: RunFacts
  /// The matrix, one entry for every arm and limit, in the order in which tables show them.
  public var cells: [Cell]
  /// Loss during fine-tuning, one curve for every arm that was trained.
  public var curves: [LossCurve]
  /// Co-activation of the base model and the placement chosen from it, one entry for every MoE layer.
  public var layers: [LayerPlacement]

  /// Gathers the parts of a study; nothing is checked before it is compared.
  public init(facts: RunFacts, cells: [Cell], curves: [LossCurve] = [], layers: [LayerPlacement] = []) {
    self.facts = facts
    self.cells = cells
    self.curves = curves
    self.layers = layers
  }
}

/// Facts about a study that stand at the end of its report.
public struct RunFacts: Codable, Equatable, Sendable {
  /// The base model's name or file.
  public var model: String
  /// Number of parameters of the base model.
  public var parameters: Int
  /// Number E of routed experts in a layer.
  public var experts: Int
  /// Number k of experts that the router chooses for a token.
  public var topK: Int
  /// Hidden width H.
  public var hidden: Int
  /// Number D of devices, virtual or real.
  public var devices: Int
  /// Size of one element on the wire, in bytes.
  public var bytesPerElement: Int
  /// Name of the placement method used, `occult` for instance.
  public var placement: String
  /// Seeds, each shared by all arms.
  public var seeds: [Int]
  /// Hash of the order of training batches for each seed, the same for all arms.
  public var batchOrders: [String]
  /// The learning rate that was chosen for each arm on validation data; empty where there was no choice.
  public var learningRates: [String: Double]
  /// Tokens on which each arm was trained.
  public var tokensTrained: Int
  /// Duration of the whole study in seconds.
  public var seconds: Double
  /// What the target loss is measured on, in a few words.
  public var targetData: String
  /// What the retention loss is measured on, in a few words; empty when it was not measured.
  public var retentionData: String
  /// Largest |Δ logit| between the model before and after its experts were moved; `nil` when not measured.
  public var maxLogitDifference: Double?
  /// Version of the program.
  public var version: String

  /// Gathers the facts of one study.
  public init(
    model: String, parameters: Int, experts: Int, topK: Int, hidden: Int, devices: Int, bytesPerElement: Int,
    placement: String, seeds: [Int], batchOrders: [String], learningRates: [String: Double] = [:], tokensTrained: Int,
    seconds: Double, targetData: String, retentionData: String, maxLogitDifference: Double?, version: String
  ) {
    self.model = model
    self.parameters = parameters
    self.experts = experts
    self.topK = topK
    self.hidden = hidden
    self.devices = devices
    self.bytesPerElement = bytesPerElement
    self.placement = placement
    self.seeds = seeds
    self.batchOrders = batchOrders
    self.learningRates = learningRates
    self.tokensTrained = tokensTrained
    self.seconds = seconds
    self.targetData = targetData
    self.retentionData = retentionData
    self.maxLogitDifference = maxLogitDifference
    self.version = version
  }

  enum CodingKeys: String, CodingKey {
    case model, parameters, experts, hidden, devices, placement, seeds, seconds, version
    case topK = "top_k"
    case bytesPerElement = "bytes_per_element"
    case batchOrders = "batch_orders"
    case learningRates = "learning_rates"
    case tokensTrained = "tokens_trained"
    case targetData = "target_data"
    case retentionData = "retention_data"
    case maxLogitDifference = "max_logit_difference"
  }
}
