/// A model family: how its configuration is read, and what its blocks are made of.
///
/// To add one: a type with these three members, its place in ``ModelFamily/families``, its hub names in Checkpoint, an
/// oracle.
protocol Family: Sendable {
  /// `model_type` in the configuration.
  static var modelType: String { get }

  /// Reads sizes and switches, all of them stated by the file.
  ///
  /// - Throws: ``ConfigurationError`` naming the first key that is missing or impossible.
  static func configuration(_ config: ConfigurationReader, json: String) throws(ConfigurationError)
    -> ModelConfiguration

  /// Builds one block, asking for every parameter once.
  static func layer<E: Error>(_ number: Int, _ builder: ModelBuilder<E>) throws(E) -> DecoderLayer
}

extension Family {
  /// A configuration of what all families state alike, and of the experts.
  static func configuration(
    _ keys: DecoderKeys, json: String, attention: AttentionShape, experts: Int, topK: Int, intermediate: Int,
    weighting: ExpertWeighting, sparseLayers: [Int]? = nil
  ) -> ModelConfiguration {
    ModelConfiguration(
      modelType: modelType, json: json, hidden: keys.hidden, layers: keys.layers, vocabulary: keys.vocabulary,
      rmsEpsilon: keys.rmsEpsilon, maxPositions: keys.maxPositions, tiesEmbeddings: keys.tiesEmbeddings,
      endTokens: keys.endTokens, initializerRange: keys.initializerRange, attention: attention,
      ropeTheta: keys.rotary.theta, ropeScaling: keys.rotary.scaling, experts: experts, topK: topK,
      intermediate: intermediate, selection: .greedy, weighting: weighting, shared: nil,
      sparseLayers: sparseLayers ?? Array(0..<keys.layers), denseIntermediate: 0, auxiliaryCoefficient: 0,
      unknownKeys: keys.rotary.unknown)
  }

  /// The standard block: attention with grouped heads, and experts or a dense network.
  static func layer<E: Error>(_ number: Int, _ builder: ModelBuilder<E>) throws(E) -> DecoderLayer {
    let path = "model.layers.\(number)."
    let attention = try builder.attention(path + "self_attn.")
    let mlp = try builder.feedForward(path + "mlp.", number)
    return try builder.block(path, attention, mlp)
  }
}
