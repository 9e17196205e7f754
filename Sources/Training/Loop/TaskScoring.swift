public import Models

/// Scores a model on tasks while it trains; all ranks call it.
///
/// - Parameters: The model under its routing, and that routing.
/// - Returns: Figures by name, as `piqa/acc`.
public typealias TaskScoring = (LanguageModel, RoutingSettings) throws -> [String: Double]
