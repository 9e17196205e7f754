internal import Placements
public import Routing

extension Recipe {
  /// `routing`: how many devices a token may use, and how experts lie on them.
  public struct Routing: Sendable, Equatable {
    /// Virtual devices D, over which the experts of a layer are divided. Default: 4.
    public var devices: Int = 4
    /// Which device holds which expert. Default: `refined`.
    public var placement: Placement = .method(.refined)
    /// Largest load imbalance that `refined` may accept; `nil` (`none`) for no bound. Default: 1.10.
    public var loadCap: Double? = 1.10
    /// The rule that picks devices and replacements. Default: `router`, the paper's.
    public var policy: Policy = .router
    /// Most devices L a token may use; `nil` (`none`) for no limit. Default: none. Where layers differ, the largest.
    public var deviceLimit: Int? {
      didSet { (layerLimits, limitBudget) = (nil, nil) }
    }
    /// L of each MoE layer in turn, where `device_limit` is a list.
    public internal(set) var layerLimits: [Int]?
    /// Mean `devices_per_token` over the layers, where `device_limit` is `{auto: …}`: limits are chosen on profile text.
    public internal(set) var limitBudget: Double?
    /// How training comes to it; `nil` (`null`) for the limit itself from the first step on. Default: null.
    public var deviceLimitSchedule: LimitSchedule?
    /// For `adaptive`: the share of top-k mass that may be lost. Default: 0.05.
    public var epsilon: Double = 0.05
    /// For `similarity`: which series of router logits are compared. Default: `cosine`.
    public var similarity: LogitSimilarity = .cosine
    /// For `output_similarity`: what is less similar replaces nothing. Default: 0.3.
    public var similarityThreshold: Double = PolicyOptions.unrelatedSimilarity
    /// For `group_limited`: what a device is ranked by. Default: `top2_sum`.
    public var groupScore: GroupScore = .top2Sum
    /// For `c2r`: partners of its best expert that a token may use; `nil` (`auto`) for half the experts. Default: auto.
    public var partners: Int?
    /// Whose probability weights a replacement. Default: `own`.
    public var weightSource: WeightSource = .own
    /// How the weights of the experts used are scaled. Default: `model`.
    public var renormalize: Renormalize = .model

    /// The defaults.
    public init() {}

    /// A limit for each MoE layer in turn.
    public mutating func setLimits(_ limits: [Int]) {
      deviceLimit = limits.max()
      layerLimits = limits
    }

    /// Settings of single policies, as the rules take them.
    var options: PolicyOptions {
      PolicyOptions(
        epsilon: epsilon, similarity: similarity, similarityThreshold: similarityThreshold, groupScore: groupScore,
        partners: partners)
    }
  }

  /// A placement by method, or from a file.
  public enum Placement: Sendable, Equatable {
    /// Computed from the profile.
    case method(PlacementMethod)
    /// Read from an absolute path ending in `.json`.
    case file(String)
  }

  /// Placement methods.
  public enum PlacementMethod: String, Sendable, CaseIterable {
    /// The file's order, cut into D blocks; random; the paper's greedy; balanced load; spectral clusters; annealed swaps.
    case contiguous, random, occult, spectral, load, refined
  }

  /// Pruning rules.
  public enum Policy: String, Sendable, CaseIterable {
    /// No pruning; the paper's router-based rule; its similarity-based rule.
    case none, router, similarity
    /// Substitutes by the outputs of experts; what is unlike replaces nothing.
    case outputSimilarity = "output_similarity"
    /// Most top-k mass.
    case mass
    /// The upper bound of retained probability.
    case bestMass = "best_mass"
    /// Per token the fewest devices that keep 1 − ε of the mass.
    case adaptive
    /// Devices by the sum of their few best experts.
    case groupLimited = "group_limited"
    /// The best expert and its most frequent partners; limits devices only with a limit.
    case collaborationConstrained = "c2r"
    /// Control: lost experts are not replaced.
    case drop
    /// Control: a smaller k of the same traffic.
    case fewerExperts = "fewer_experts"
    /// Control: random devices of those hit.
    case randomDevices = "random_devices"
  }

  /// Whose probability weights an expert that replaces a lost one.
  public enum WeightSource: String, Sendable, CaseIterable {
    /// Its own; or the lost expert's, whose logit then receives the gradient of its substitute's output.
    case own, inherited
  }

  /// Scaling of the weights of the experts used.
  public enum Renormalize: String, Sendable, CaseIterable {
    /// As the model's own configuration says.
    case model
    /// To the mass of the original top-k, with gradient.
    case originalMass = "original_mass"
    /// To the mass of the original top-k, as a constant.
    case originalMassDetached = "original_mass_detached"
  }

  /// `train`: which parameters move, by role, in every family alike. Where a recipe gives any role `lora`, roles that it does
  /// not name are frozen.
  public struct TrainRoles: Sendable, Equatable {
    /// Attention projections. Default: frozen.
    public var attention: TrainMode = .frozen
    /// Routed experts. Default: full.
    public var experts: TrainMode = .full
    /// Router. Default: full.
    public var router: TrainMode = .full
    /// Shared experts, where a model has them. Default: full.
    public var sharedExperts: TrainMode = .full
    /// Input and output embeddings. Default: frozen.
    public var embeddings: TrainMode = .frozen
    /// Norm weights. Default: frozen.
    public var norms: TrainMode = .frozen
    /// A learning rate of its own for the router. Default: null, the common one.
    public var routerLearningRate: Double?

    /// The defaults: experts and router, as in the paper.
    public init() {}
  }

  /// What happens to a parameter.
  public enum TrainMode: Sendable, Equatable {
    /// It keeps its value and costs neither gradient nor moments; or every element moves.
    case frozen, full
    /// It keeps its value, and a low-rank term beside it moves.
    case lora(LoRA)
  }

  /// `lora`: low-rank adapters of a role.
  public struct LoRA: Sendable, Equatable {
    /// r, columns of the factors. Default: 16.
    public var rank: Int = 16
    /// α; the term is scaled by α / r. Default: twice the rank.
    public var alpha: Double = 32
    /// `rslora`: whether the term is scaled by α / √r instead (Kalajdzievski 2023). Default: false.
    public var isRankStabilized = false
    /// Of experts: the hottest share of each layer's that is adapted, by load on the profile. Default: 1, all.
    public var share: Double = 1

    /// The defaults.
    public init() {}

    /// Adapters of rank r on a share of the experts, scaled by α / r.
    public init(rank: Int, alpha: Double, share: Double = 1) {
      (self.rank, self.alpha, self.share) = (rank, alpha, share)
    }

    /// The α of an adapter of this rank that scales by α / r and is the same: α · √r where the scale is stabilised.
    public var plainAlpha: Double { isRankStabilized ? alpha * Double(rank).squareRoot() : alpha }

    /// Ranks that make sense: beyond, a role trains fully at less cost.
    public static let ranks = 1...1024
  }

  /// `loss`: terms beside the cross-entropy.
  public struct Loss: Sendable, Equatable {
    /// Load-balancing loss.
    public var aux = Auxiliary()
    /// Coefficient of the router z-loss. Default: 0.
    public var z: Double = 0
    /// Coefficient of the collaboration loss: expected devices of a token under its router. Default: 0.
    public var collaboration: Double = 0
    /// τ of its draw: the lower, the closer to the plain top-k. Default: 0.25.
    public var collaborationTemperature: Double = 0.25
    /// Towards the base model without a limit.
    public var distillation = Distillation()

    /// The defaults.
    public init() {}
  }

  /// `loss.distillation`: how far the model may go from the base model without a limit, which stays frozen.
  public struct Distillation: Sendable, Equatable {
    /// Coefficient of KL(p_base ‖ p) over the experts, mean over tokens and MoE layers. Default: 0.
    public var router: Double = 0
    /// Coefficient of τ² KL(p_base ‖ p) over the vocabulary, mean over the tokens that the cross-entropy counts. Default: 0.
    public var logits: Double = 0
    /// τ of the predictions. Default: 1.
    public var temperature: Double = 1

    /// The defaults: none.
    public init() {}

    /// Whether a teacher is needed.
    public var isOn: Bool { router > 0 || logits > 0 }
  }

  /// `loss.aux`: the load-balancing loss, taken per micro-batch.
  public struct Auxiliary: Sendable, Equatable {
    /// Which formula. Default: `hf`.
    public var kind: AuxiliaryKind = .hf
    /// Its coefficient; 0 turns it off. Default: 0.01.
    public var coefficient: Double = 0.01

    /// The defaults.
    public init() {}
  }

  /// Formulas of the load-balancing loss.
  public enum AuxiliaryKind: String, Sendable, CaseIterable {
    /// transformers': layers pooled, k when balanced; or Switch's per layer, DeepSeek's per sequence, 1 when balanced.
    case hf, `switch`, sequence
  }
}
