public import Foundation
public import Models

/// What `occult evaluate` measured: one checkpoint under one routing.
public struct EvaluationResult: Codable, Equatable, Sendable {
  /// Response loss of a recipe's data.
  public struct Held: Codable, Equatable, Sendable {
    /// Loss in nats per predicted token.
    public let loss: Double
    /// Its standard error, by resampling documents.
    public let standardError: Double
    /// exp(loss).
    public let tokenPerplexity: Double
    /// Documents and predicted tokens.
    public let documents: Int, tokens: Int

    enum CodingKeys: String, CodingKey {
      case loss, documents, tokens
      case standardError = "loss_stderr"
      case tokenPerplexity = "token_perplexity"
    }

    /// Σ nll / Σ tokens of documents, with a bootstrap over them.
    ///
    /// - Parameters:
    ///   - documents: Losses by document.
    ///   - model: Name of the model, for messages.
    ///   - text: What the documents are, for messages.
    /// - Throws: ``ComparisonError`` when a loss is not finite or there are too few documents.
    public init(_ documents: [DocumentLoss], model: String, text: String) throws(ComparisonError) {
      let sample = try LossSample(cell: model, text: text, documents, bootstrap: Bootstrap())
      (loss, standardError, tokenPerplexity) = (sample.loss, sample.standardError, exp(sample.loss))
      (self.documents, tokens) = (documents.count, documents.reduce(0) { $0 + $1.tokens })
    }
  }

  /// Path of the model.
  public var model: String
  /// Policy and limit it was evaluated under; nil for none.
  public var policy: String?
  /// L; nil for none.
  public var deviceLimit: Int?
  /// Test data of the recipe; nil without one.
  public var target: Held?
  /// Retention data of the recipe; nil without any.
  public var retention: Held?
  /// Communication over all layers, from the routing of the test data; nil without a placement or a recipe.
  public var communication: CommunicationFigures?
  /// Losses by document of the target and retention data, written beside the result; not part of it.
  public var documents: [String: [DocumentLoss]] = [:]
  /// Plain texts.
  public var texts: [TextPerplexity]
  /// Seconds it took.
  public var seconds: Double
  /// Program that measured.
  public var program: String

  enum CodingKeys: String, CodingKey {
    case model, policy, target, retention, communication, texts, seconds, program
    case deviceLimit = "device_limit"
  }

  /// A result under the routing of a model.
  ///
  /// - Parameters:
  ///   - model: Path of the model.
  ///   - routing: Placement and limit; nil for none.
  ///   - program: Name and version of the program.
  public init(model: String, routing: RoutingSettings?, program: String) {
    self.model = model
    policy = routing.flatMap { $0.deviceLimit == nil ? nil : $0.policy.rawValue }
    deviceLimit = routing?.deviceLimit
    texts = []
    seconds = 0
    self.program = program
  }

  /// The result as JSON, keys sorted.
  ///
  /// - Throws: `EncodingError` for numbers that are not finite.
  public func json() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(self)
  }
}
