public import Routing
public import Tensors

/// Sizes and switches of a model, read from Hugging Face's `config.json`.
public struct ModelConfiguration: Sendable, Equatable {
  /// `olmoe`, …
  public var modelType: String
  /// The configuration as it was found, verbatim.
  public var json: String
  /// H, `hidden_size`
  public var hidden: Int
  /// Number of blocks.
  public var layers: Int
  /// Size of the embedding table.
  public var vocabulary: Int
  /// ε of the norms between the blocks.
  public var rmsEpsilon: Double
  /// Longest sequence.
  public var maxPositions: Int
  /// Whether the output projection is the embedding.
  public var tiesEmbeddings: Bool
  /// Tokens that end a text.
  public var endTokens: [Int]
  /// Standard deviation of initial weights.
  public var initializerRange: Double

  /// Heads, and what goes with them.
  public var attention: AttentionShape
  /// Base of the rotary angles.
  public var ropeTheta: Double
  /// How the angles are stretched.
  public var ropeScaling: RotaryScaling

  /// E, experts in a sparse layer.
  public var experts: Int
  /// k, experts a token.
  public var topK: Int
  /// I, width of one expert.
  public var intermediate: Int
  /// How the model chooses a token's experts.
  public var selection: ExpertSelection
  /// How weights are made of their probabilities.
  public var weighting: ExpertWeighting
  /// Experts that every token uses; nil for none.
  public var shared: SharedShape?
  /// Numbers of the sparse blocks, ascending; the others are dense.
  public var sparseLayers: [Int]
  /// Width of a dense block; 0 where there is none.
  public var denseIntermediate: Int
  /// Coefficient of the balance loss that transformers adds in training; 0 where it adds none.
  public var auxiliaryCoefficient: Double

  /// Keys of the file that nothing here knows, in order: what they would change is not computed.
  public var unknownKeys: [String] = []
  /// The setting that keeps the model from being trained, which evaluation does not notice; nil for none.
  public var untrainable: ConfigurationError?
  /// Defaults for generated text, of the file beside this one.
  public var generation = GenerationSettings()

  /// Number of all parameters; shapes only, nothing is read.
  public var parameterCount: Int {
    ModelFamily.parameters(self).reduce(0) { $0 + $1.shape.reduce(1, *) }
  }
}

/// Sizes of the self-attention.
public struct AttentionShape: Sendable, Equatable {
  /// Number of query heads.
  public var heads: Int
  /// Number of key-value heads.
  public var kvHeads: Int
  /// d, width of one head's queries and keys.
  public var headDimension: Int
  /// Whether queries, keys and values have a bias.
  public var hasBias = false
  /// How queries and keys are normalised; nil for not at all.
  public var norm: QueryKeyNorm?
  /// Limit of queries, keys and values; nil for none.
  public var clip: Double?
  /// Ranks and widths where keys and values come from a latent vector.
  public var latent: LatentShape?

  /// Width of one head's values.
  public var valueDimension: Int { latent?.valueWidth ?? headDimension }
}

/// Ranks and widths of latent attention.
public struct LatentShape: Sendable, Equatable {
  /// Width of the vector that queries are made of; nil where they come from the hidden state.
  public var queryRank: Int?
  /// Width of the vector that keys and values are made of.
  public var keyValueRank: Int
  /// n, the part of a head's queries and keys without positions.
  public var plainWidth: Int
  /// r, the part that is rotated.
  public var rotaryWidth: Int
  /// v
  public var valueWidth: Int
  /// Factor of the scores.
  public var scale: Double
}

/// The network that every token uses beside its experts.
public struct SharedShape: Sendable, Equatable {
  /// `shared_expert` or `shared_experts`.
  public var name: String
  /// Its width.
  public var intermediate: Int
  /// Whether a sigmoid gates its output.
  public var isGated: Bool
}
