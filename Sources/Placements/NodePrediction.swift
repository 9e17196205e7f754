public import Profiles

/// What a placement will cost between nodes, on the text of a profile; homes are expected, as in `Prediction`.
public struct NodePrediction: Sendable, Equatable, Codable {
  /// E[N_T], distinct nodes per token.
  public let nodesPerToken: Double
  /// N_T·(N − 1)/N: copies that cross nodes where each node gets one.
  public let remoteCopies: Double
  /// max/mean of Σ load per node.
  public let imbalance: Double

  enum CodingKeys: String, CodingKey {
    case imbalance
    case nodesPerToken = "nodes_per_token"
    case remoteCopies = "remote_copies"
  }

  /// From figures already at hand.
  ///
  /// - Parameters:
  ///   - nodesPerToken: E[N_T].
  ///   - remoteCopies: copies that cross nodes.
  ///   - imbalance: max/mean load.
  public init(nodesPerToken: Double, remoteCopies: Double, imbalance: Double) {
    self.nodesPerToken = nodesPerToken
    self.remoteCopies = remoteCopies
    self.imbalance = imbalance
  }

  /// Counts a placement on a profile.
  ///
  /// - Parameters:
  ///   - profile: a layer with recorded sets.
  ///   - placement: π, expert → device.
  ///   - devices: D.
  ///   - nodes: N, a divisor of D.
  /// - Throws: `PlacementError.noRecordedSets`.
  public init(_ profile: LayerProfile, placement: [Int], devices: Int, nodes: Int) throws(PlacementError) {
    let perNode = devices / nodes
    let found = try Prediction(profile, placement: placement.map { $0 / perNode }, devices: nodes)
    nodesPerToken = found.devicesPerToken
    remoteCopies = found.remoteCopies
    imbalance = found.imbalance
  }

  /// The mean of predictions, each counted alike.
  ///
  /// - Parameter predictions: at least one.
  public init(mean predictions: [NodePrediction]) {
    let count = Double(max(predictions.count, 1))
    nodesPerToken = predictions.reduce(0) { $0 + $1.nodesPerToken } / count
    remoteCopies = predictions.reduce(0) { $0 + $1.remoteCopies } / count
    imbalance = predictions.reduce(0) { $0 + $1.imbalance } / count
  }
}
