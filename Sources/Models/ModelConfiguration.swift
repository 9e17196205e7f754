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
  /// Number of query heads.
  public var heads: Int
  /// Number of key-value heads.
  public var kvHeads: Int
  /// d, width of one head.
  public var headDimension: Int
  /// Size of the embedding table.
  public var vocabulary: Int
  /// E, experts in a sparse layer.
  public var experts: Int
  /// k, experts a token.
  public var topK: Int
  /// I, width of one expert.
  public var intermediate: Int
  /// ε of all norms.
  public var rmsEpsilon: Double
  /// Base of the rotary angles.
  public var ropeTheta: Double
  /// Longest sequence.
  public var maxPositions: Int
  /// Whether the weights of the chosen experts are divided by their sum.
  public var normalizesTopK: Bool
  /// Limit of queries, keys and values; nil for none.
  public var clipQKV: Double?
  /// Whether the output projection is the embedding.
  public var tiesEmbeddings: Bool
  /// Coefficient of the auxiliary loss in the model's own training.
  public var auxiliaryCoefficient: Double
  /// Tokens that end a text.
  public var endTokens: [Int]
  /// Standard deviation of initial weights.
  public var initializerRange: Double

  /// Bytes of all parameters if each took `bytesPerElement`; shapes only, nothing is read.
  public var parameterCount: Int {
    let attention = hidden * (2 * heads + 2 * kvHeads) * headDimension + (heads + kvHeads) * headDimension
    let sparse = experts * hidden + 3 * experts * intermediate * hidden
    return vocabulary * hidden * (tiesEmbeddings ? 1 : 2) + hidden + layers * (attention + sparse + 2 * hidden)
  }
}
