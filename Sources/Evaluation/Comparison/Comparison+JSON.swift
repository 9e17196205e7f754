public import Foundation

/// The layout of `comparison.json`, version 1.
///
///     {"format": "occult-comparison", "version": 1,
///      "headline", "verdict": [sentence, …], "bootstrap": {"draws", "seed"}, "run": {facts},
///      "results": [
///       {"arm", "fine_tuned", "trained_limit", "evaluated_limit", "trained_rule", "evaluated_rule", "policy",
///        "reference", "documents", "tokens", "seed_losses": [one a seed],
///        "token_perplexity", "token_perplexity_interval": {"low", "high"},
///        "loss", "stderr", "loss_interval": {"low", "high"},
///        "difference": {"mean", "low", "high", "detectable"},        loss − loss of the standard model with no limit
///        "training_effect": {"mean", "low", "high", "detectable"},   loss − loss of the standard model with the same limit
///        "recovery": {"mean", "low", "high"},
///        "non_inferiority": {"outcome": "non_inferior" | "inferior" | "not_shown" | "uninformative", "margin_share",
///         "margin", "harm", "harm_at_most", "gain": {"mean", "low", "high", "detectable"}, "kept", "kept_at_least"},
///        "retention_loss", "retention_stderr", "retention_difference": {"mean", "low", "high", "detectable"},
///        "devices_per_token", "remote_copies", "naive_copies", "naive_remote_copies", "bytes", "naive_bytes",
///        "intra_share", "imbalance_rows", "imbalance_wire", "retained_mass",
///        "layers": [{"layer", "devices_per_token", …}, …]}, …]}
///
/// `detectable` is the smallest true difference that would have been found in 4 of 5 repetitions; `harm_at_most` and
/// `kept_at_least` are one-sided 95 % bounds. Losses are in nats per token, bytes per token, layer and direction; all are means over seeds. Limits are integers or
/// null, rules the names of the arms or `study.rules` that define them; null also stands
/// for a figure that is undefined or was not measured. Every number is finite: others are errors before this point.
extension Comparison: Codable {
  /// The value of `format`.
  static let format = "occult-comparison"
  /// The value of `version`.
  static let version = 1

  enum CodingKeys: String, CodingKey { case format, version, headline, verdict, bootstrap, run, results }

  /// Reads a comparison.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let format = try container.decode(String.self, forKey: .format)
    let version = try container.decode(Int.self, forKey: .version)
    guard format == Self.format, version == Self.version else {
      throw ComparisonError.file(
        expected: "format '\(Self.format)' version \(Self.version)", found: "format '\(format)' version \(version)")
    }
    self.init(
      run: try container.decode(RunFacts.self, forKey: .run),
      bootstrap: try container.decode(Bootstrap.self, forKey: .bootstrap),
      headline: try container.decode(String.self, forKey: .headline),
      verdict: try container.decode([String].self, forKey: .verdict),
      results: try container.decode([CellResult].self, forKey: .results))
  }

  /// Writes a comparison.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Self.format, forKey: .format)
    try container.encode(Self.version, forKey: .version)
    try container.encode(headline, forKey: .headline)
    try container.encode(verdict, forKey: .verdict)
    try container.encode(bootstrap, forKey: .bootstrap)
    try container.encode(run, forKey: .run)
    try container.encode(results, forKey: .results)
  }

  /// The bytes of `comparison.json`, with sorted keys.
  ///
  /// - Throws: `EncodingError` when a number is not finite, which values made by `init(_:bootstrap:)` never are.
  public func json() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(self) + Data("\n".utf8)
  }

  /// Reads the bytes of a `comparison.json`.
  ///
  /// - Throws: `ComparisonError.file` for anything else.
  public init(json: Data) throws(ComparisonError) {
    do {
      self = try JSONDecoder().decode(Comparison.self, from: json)
    } catch let error as ComparisonError {
      throw error
    } catch let error as DecodingError {
      throw .file(expected: "JSON of a comparison", found: Self.words(error))
    } catch {
      throw .file(expected: "JSON of a comparison", found: "\(error)")
    }
  }

  private static func words(_ error: DecodingError) -> String {
    func path(_ context: DecodingError.Context) -> String {
      context.codingPath.isEmpty ? "the file" : context.codingPath.map(\.stringValue).joined(separator: ".")
    }
    return switch error {
    case .keyNotFound(let key, let context): "no key '\(key.stringValue)' in \(path(context))"
    case .typeMismatch(let type, let context): "no \(type) at \(path(context))"
    case .valueNotFound(let type, let context): "null for a \(type) at \(path(context))"
    case .dataCorrupted(let context): "unreadable text in \(path(context))"
    @unknown default: "something else"
    }
  }
}

extension CellResult: Codable {
  enum CodingKeys: String, CodingKey {
    case arm, policy, reference, documents, tokens, loss, stderr, difference, recovery, layers
    case fineTuned = "fine_tuned"
    case trainedRule = "trained_rule"
    case evaluatedRule = "evaluated_rule"
    case seedLosses = "seed_losses"
    case trainedLimit = "trained_limit"
    case evaluatedLimit = "evaluated_limit"
    case tokenPerplexity = "token_perplexity"
    case tokenPerplexityInterval = "token_perplexity_interval"
    case lossInterval = "loss_interval"
    case trainingEffect = "training_effect"
    case nonInferiority = "non_inferiority"
    case devicesPerTokenUnlimited = "devices_per_token_unlimited"
    case retentionLoss = "retention_loss"
    case retentionError = "retention_stderr"
    case retentionDifference = "retention_difference"
  }

  /// Reads one entry of `results`; perplexities are recomputed from the losses.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    arm = try container.decode(String.self, forKey: .arm)
    fineTuned = try container.decode(Bool.self, forKey: .fineTuned)
    trainedLimit = try container.decodeIfPresent(Int.self, forKey: .trainedLimit)
    evaluatedLimit = try container.decodeIfPresent(Int.self, forKey: .evaluatedLimit)
    trainedRule = try container.decodeIfPresent(String.self, forKey: .trainedRule)
    evaluatedRule = try container.decodeIfPresent(String.self, forKey: .evaluatedRule)
    policy = try container.decode(String.self, forKey: .policy)
    isReference = try container.decode(Bool.self, forKey: .reference)
    documents = try container.decode(Int.self, forKey: .documents)
    tokens = try container.decode(Int.self, forKey: .tokens)
    loss = try container.decode(Double.self, forKey: .loss)
    seedLosses = try container.decode([Double].self, forKey: .seedLosses)
    standardError = try container.decode(Double.self, forKey: .stderr)
    lossInterval = try container.decode(Interval.self, forKey: .lossInterval)
    difference = try container.decodeIfPresent(Difference.self, forKey: .difference)
    trainingEffect = try container.decodeIfPresent(Difference.self, forKey: .trainingEffect)
    recovery = try container.decodeIfPresent(Recovery.self, forKey: .recovery)
    nonInferiority = try container.decodeIfPresent(NonInferiority.self, forKey: .nonInferiority)
    retentionLoss = try container.decodeIfPresent(Double.self, forKey: .retentionLoss)
    retentionError = try container.decodeIfPresent(Double.self, forKey: .retentionError)
    retentionDifference = try container.decodeIfPresent(Difference.self, forKey: .retentionDifference)
    devicesPerTokenUnlimited = try container.decodeIfPresent(Double.self, forKey: .devicesPerTokenUnlimited)
    layers = try container.decode([CommunicationFigures].self, forKey: .layers)
    communication = try CommunicationFigures(from: decoder)
  }

  /// Writes one entry of `results`, its communication figures beside the others.
  public func encode(to encoder: any Encoder) throws {
    try communication.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(arm, forKey: .arm)
    try container.encode(fineTuned, forKey: .fineTuned)
    try container.encode(trainedLimit, forKey: .trainedLimit)  // `encode`, not `encodeIfPresent`: null is written.
    try container.encode(evaluatedLimit, forKey: .evaluatedLimit)
    try container.encode(trainedRule, forKey: .trainedRule)
    try container.encode(evaluatedRule, forKey: .evaluatedRule)
    try container.encode(policy, forKey: .policy)
    try container.encode(isReference, forKey: .reference)
    try container.encode(documents, forKey: .documents)
    try container.encode(tokens, forKey: .tokens)
    try container.encode(loss, forKey: .loss)
    try container.encode(seedLosses, forKey: .seedLosses)
    try container.encode(standardError, forKey: .stderr)
    try container.encode(lossInterval, forKey: .lossInterval)
    try container.encode(tokenPerplexity, forKey: .tokenPerplexity)
    let perplexities = Interval(
      low: Numbers.exponential(lossInterval.low), high: Numbers.exponential(lossInterval.high))
    try container.encode(perplexities, forKey: .tokenPerplexityInterval)
    try container.encode(difference, forKey: .difference)
    try container.encode(trainingEffect, forKey: .trainingEffect)
    try container.encode(recovery, forKey: .recovery)
    try container.encode(nonInferiority, forKey: .nonInferiority)
    try container.encode(retentionLoss, forKey: .retentionLoss)
    try container.encode(retentionError, forKey: .retentionError)
    try container.encode(retentionDifference, forKey: .retentionDifference)
    try container.encode(devicesPerTokenUnlimited, forKey: .devicesPerTokenUnlimited)
    try container.encode(layers, forKey: .layers)
  }
}
