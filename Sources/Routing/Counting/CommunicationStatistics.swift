/// Communication as means per token and layer, in the terms every table uses.
///
/// With `expected` homes, remote figures are expectations: C_T·(D−1)/D and k·(D−1)/D, and on N nodes of M devices
/// N_T·(N−1)/N between them and C_T·(M−1)/M inside.
public struct CommunicationStatistics: Sendable, Equatable, Codable {
  /// Tokens counted, times layers where several are pooled.
  public let tokens: Int
  /// E[C_T], distinct devices that hold used experts.
  public let devicesPerToken: Double
  /// The same of the plainly chosen experts, before the limit: what the routers ask for.
  public let chosenDevicesPerToken: Double
  /// Copies that cross the wire, one per device without home, per direction.
  public let remoteCopies: Double
  /// E[N_T], distinct nodes that hold used experts; `nil` on one node, as the two below.
  public let nodesPerToken: Double?
  /// Copies that cross between nodes, one for each node without home's, per direction.
  public let copiesBetweenNodes: Double?
  /// Copies that stay inside a node, from home or from the relay that a copy came to, per direction.
  public let copiesInsideNodes: Double?
  /// k: copies of per-expert dispatch.
  public let naiveCopies: Double
  /// Plainly chosen experts not at home: what per-expert dispatch sends.
  public let naiveRemoteCopies: Double
  /// Share of collaborating pairs on one device; 0 where there are no pairs.
  public let intraShare: Double
  /// Mean over steps of max/mean of (token, expert) rows per device; 1 where nothing was computed.
  public let imbalanceRows: Double
  /// Mean over steps of max/mean of rows received over the wire per device; 1 where nothing was sent.
  public let imbalanceWire: Double
  /// Mean over tokens of Σ_{S′ ∩ S} p / Σ_S p; `nil` where no probabilities were given.
  public let retainedMass: Double?
  /// Mean number of experts used.
  public let effectiveTopK: Double
  /// Whether remote figures are expectations for want of homes.
  public let expected: Bool

  enum CodingKeys: String, CodingKey {
    case tokens, expected
    case devicesPerToken = "devices_per_token"
    case chosenDevicesPerToken = "chosen_devices_per_token"
    case remoteCopies = "remote_copies"
    case nodesPerToken = "nodes_per_token"
    case copiesBetweenNodes = "copies_between_nodes"
    case copiesInsideNodes = "copies_inside_nodes"
    case naiveCopies = "naive_copies"
    case naiveRemoteCopies = "naive_remote_copies"
    case intraShare = "intra_share"
    case imbalanceRows = "imbalance_rows"
    case imbalanceWire = "imbalance_wire"
    case retainedMass = "retained_mass"
    case effectiveTopK = "effective_top_k"
  }

  init(_ totals: CommunicationCounter.LayerTotals, layout: NodeLayout, home: CommunicationTally.Home) {
    let tally = totals.tally
    func mean(_ sum: Int) -> Double { tally.tokens == 0 ? 0 : Double(sum) / Double(tally.tokens) }
    func away(from one: Int) -> Double { Double(one - 1) / Double(one) }
    let isExpected = home == .expected
    tokens = tally.tokens
    devicesPerToken = mean(tally.deviceRows)
    chosenDevicesPerToken = mean(tally.chosenDeviceRows)
    remoteCopies = isExpected ? mean(tally.deviceRows) * away(from: layout.devices) : mean(tally.remoteRows)
    if layout.nodes > 1 {
      nodesPerToken = mean(tally.nodeRows)
      copiesBetweenNodes = isExpected ? mean(tally.nodeRows) * away(from: layout.nodes) : mean(tally.betweenRows)
      copiesInsideNodes = isExpected ? mean(tally.deviceRows) * away(from: layout.perNode) : mean(tally.insideRows)
    } else {
      (nodesPerToken, copiesBetweenNodes, copiesInsideNodes) = (nil, nil, nil)
    }
    naiveCopies = mean(tally.naiveRows)
    naiveRemoteCopies =
      isExpected ? mean(tally.naiveRows) * away(from: layout.devices) : mean(tally.naiveRemoteRows)
    intraShare = tally.pairs == 0 ? 0 : Double(tally.intraPairs) / Double(tally.pairs)
    imbalanceRows = totals.rowSteps == 0 ? 1 : totals.rowsImbalance / Double(totals.rowSteps)
    imbalanceWire = totals.wireSteps == 0 ? 1 : totals.wireImbalance / Double(totals.wireSteps)
    retainedMass =
      tally.retainedTokens == 0
      ? nil : Double(tally.retainedUnits) / CommunicationTally.retainedUnit / Double(tally.retainedTokens)
    effectiveTopK = mean(tally.expertRows)
    expected = isExpected
  }

  /// Bytes of hidden states per token, layer and direction, with one copy per device.
  ///
  /// - Parameters:
  ///   - hidden: H.
  ///   - bytesPerElement: 4 for float32, 2 for bfloat16.
  /// - Returns: remote_copies × H × bytes; routing metadata is not in it.
  public func bytesPerToken(hidden: Int, bytesPerElement: Int) -> Double {
    remoteCopies * Double(hidden * bytesPerElement)
  }

  /// Bytes of hidden states per token, layer and direction, with one copy per expert.
  ///
  /// - Parameters:
  ///   - hidden: H.
  ///   - bytesPerElement: 4 for float32, 2 for bfloat16.
  /// - Returns: naive_remote_copies × H × bytes.
  public func naiveBytesPerToken(hidden: Int, bytesPerElement: Int) -> Double {
    naiveRemoteCopies * Double(hidden * bytesPerElement)
  }
}
