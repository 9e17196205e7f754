internal import Routing
public import ExpertParallel
internal import Foundation
public import Models
internal import Text
public import Training

/// Measures one checkpoint under one limit: losses by document, communication from the routing of the target text.
public enum CellMeasurement {
  /// Scores target and retention text.
  ///
  /// - Parameters:
  ///   - model: The weights; their routing is replaced by `routing`.
  ///   - routing: Placement, policy and the limit to evaluate under.
  ///   - data: Test and retention documents.
  ///   - batchTokens: Largest batch.
  ///   - nodes: N, a divisor of the devices; copies between nodes and inside them are counted apart.
  ///   - ranks: The processes that share the model's experts.
  ///   - progress: Called with the number of documents scored.
  /// - Returns: Losses by document, and communication per layer and over all layers.
  /// - Throws: `RoutingError` or `PlacementError` when routing and model do not fit.
  public static func measure(
    _ model: LanguageModel, _ routing: RoutingSettings, _ data: TrainingData, batchTokens: Int,
    nodes: Int = 1, ranks: any Communicator = SingleProcess(), progress: (Int) -> Void = { _ in }
  ) throws -> (target: [DocumentLoss], retention: [DocumentLoss], communication: [CommunicationFigures]) {
    var model = model.untracked()
    try model.apply(routing)
    var meter: CommunicationMeter? = CommunicationMeter(
      routing.placement, topK: model.configuration.topK, nodes: nodes)
    let target = HeldOutLoss.score(
      model, data.test, batchTokens: batchTokens, meter: &meter, ranks: ranks, progress: progress)
    var none: CommunicationMeter?
    let retention = HeldOutLoss.score(model, data.retention, batchTokens: batchTokens, meter: &none, ranks: ranks) {
      progress(data.test.count + $0)
    }
    guard let counter = meter?.counter else { preconditionFailure("CellMeasurement: the meter is gone") }
    let hidden = model.configuration.hidden
    return (
      losses(target), losses(retention),
      [CommunicationFigures(counter.statistics(), layer: nil, hidden: hidden)]
        + routing.placement.layers.indices.map {
          CommunicationFigures(
            counter.statistics(layer: $0), layer: routing.placement.layers[$0].layer, hidden: hidden)
        }
    )
  }

  private static func losses(_ documents: [HeldOutDocument]) -> [DocumentLoss] {
    documents.filter { $0.tokens > 0 }.map { DocumentLoss(document: String($0.id), nll: $0.nll, tokens: $0.tokens) }
  }
}

extension CommunicationFigures {
  /// Bytes of one element on the wire: hidden states travel in float32.
  static let bytesPerElement = 4

  /// Figures from counts.
  init(_ statistics: CommunicationStatistics, layer: Int?, hidden: Int) {
    let size = Self.bytesPerElement
    self.init(
      layer: layer, devicesPerToken: statistics.devicesPerToken, remoteCopies: statistics.remoteCopies,
      naiveCopies: statistics.naiveCopies, naiveRemoteCopies: statistics.naiveRemoteCopies,
      bytes: statistics.bytesPerToken(hidden: hidden, bytesPerElement: size),
      naiveBytes: statistics.naiveBytesPerToken(hidden: hidden, bytesPerElement: size),
      intraShare: statistics.intraShare, imbalanceRows: statistics.imbalanceRows,
      imbalanceWire: statistics.imbalanceWire, retainedMass: statistics.retainedMass ?? 1,
      copiesBetweenNodes: statistics.copiesBetweenNodes, copiesInsideNodes: statistics.copiesInsideNodes)
  }
}
