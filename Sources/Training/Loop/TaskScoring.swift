package import ExpertParallel
public import Models

/// Scores a model on tasks while it trains; all ranks call it.
///
/// - Parameters: The model under its routing, that routing, and what is asked between batches: whether to give up.
/// - Returns: Figures by name, as `piqa/acc`.
/// - Throws: ``MeasuringAbandoned`` where it gives up.
public typealias TaskScoring = (LanguageModel, RoutingSettings, () -> Bool) throws -> [String: Double]

/// Validation or tasks were given up for a checkpoint; a run that goes on from it measures anew.
package struct MeasuringAbandoned: Error, Equatable {
  /// One that nobody has caught yet.
  package init() {}
}

extension Communicator {
  /// Whether a stop that one of the ranks was asked for stops all: a signal may reach one before the others.
  package func agreeToStop(_ own: Bool) -> Bool { size == 1 ? own : sum([own ? 1 : 0])[0] > 0 }
}
