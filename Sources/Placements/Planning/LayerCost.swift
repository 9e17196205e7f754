/// What one layer costs in one step, predicted: per token where it says so, else on the busiest device.
///
/// With T tokens a device, D devices on N nodes of m, c_d copies per token at device d and homes spread evenly, a
/// device receives in one all-to-all
///
///     direct         T·c_d·(m − 1) rows from its node, T·c_d·(D − m) from others
///     hierarchical   T·c_d·(m − 1)·N rows from the relays of its node, T·c_n·(N − 1) from other nodes
///
/// where c_n is the copies per token at its node, which come in at the device of the sender's own rank in its node.
/// The way back moves the same rows. The busiest device decides: the slowest end of each exchange, and the most expert
/// rows.
public struct LayerCost: Sendable, Equatable, Encodable {
  /// C_T, or k for one copy per expert.
  public let copies: Double
  /// Distinct nodes per token; k-fold for one copy per expert.
  public let nodeCopies: Double
  /// Rows per token that cross the network inside nodes, and between them, per direction.
  public let remoteInside: Double
  /// Rows per token that cross the network between nodes, per direction.
  public let remoteBetween: Double
  /// Bytes per device and direction, mean over devices.
  public let bytes: Double
  /// Busiest device / mean, of received rows.
  public let imbalanceWire: Double
  /// Busiest device / mean, of expert rows.
  public let imbalanceRows: Double
  /// Seconds of one all-to-all on its busiest end.
  public let allToAll: Double
  /// Seconds of forward compute on the busiest device: experts and everything else.
  public let compute: Double
  /// Seconds of the forward pass: compute and the two all-to-alls that do not hide behind it.
  public let forward: Double
  /// Seconds forward and backward: three times the compute, four all-to-alls, and the sum of expert gradients over
  /// replicas.
  public let training: Double
  /// Of `forward`, the share that is all-to-all.
  public let forwardShare: Double
  /// Of `training`, the share that is all-to-all.
  public let trainingShare: Double

  enum CodingKeys: String, CodingKey {
    case copies, bytes, compute, forward, training
    case nodeCopies = "node_copies"
    case remoteInside = "remote_copies_inside"
    case remoteBetween = "remote_copies_between"
    case imbalanceWire = "imbalance_wire"
    case imbalanceRows = "imbalance_rows"
    case allToAll = "all_to_all"
    case forwardShare = "forward_all_to_all_share"
    case trainingShare = "training_all_to_all_share"
  }

  /// The sizes that a layer runs at.
  package struct Group {
    /// D, expert-parallel.
    let devices: Int
    /// N of one group.
    let nodes: Int
    /// Data-parallel replicas of the group.
    let replicas: Int
    /// m of one group.
    var perNode: Int { devices / nodes }

    /// Sizes.
    package init(devices: Int, nodes: Int, replicas: Int) {
      self.devices = devices
      self.nodes = nodes
      self.replicas = replicas
    }
  }

  /// Applies the model of time.
  ///
  /// - Parameters:
  ///   - traffic: of a mean token.
  ///   - group: sizes.
  ///   - experts: E.
  ///   - workload: the work.
  ///   - topology: the machine.
  ///   - exchange: how rows travel; one copy per expert always goes `direct`.
  package init(
    _ traffic: Traffic, _ group: Group, experts: Int, workload: Workload, topology: Topology,
    exchange: Topology.Exchange
  ) {
    let (devices, nodes, m) = (Double(group.devices), Double(group.nodes), Double(group.perNode))
    copies = traffic.copies
    nodeCopies = traffic.nodes
    let isDirect = exchange == .direct || group.nodes == 1
    remoteInside = copies * (m - 1) / (isDirect ? devices : m)
    remoteBetween = isDirect ? copies * (devices - m) / devices : nodeCopies * (nodes - 1) / nodes
    let tokenBytes = Double(workload.tokens) * workload.rowBytes
    bytes = tokenBytes * (remoteInside + remoteBetween)

    func busiest(_ values: [Double]) -> Double { values.max() ?? 0 }
    func imbalance(_ values: [Double]) -> Double {
      let sum = values.reduce(0, +)
      return sum > 0 ? busiest(values) * Double(values.count) / sum : 1
    }
    imbalanceWire = imbalance(traffic.deviceCopies)
    imbalanceRows = imbalance(traffic.expertRows)

    /// Σ of device copies, per node.
    let nodeSums = (0..<group.nodes).map { node in
      traffic.deviceCopies[node * group.perNode..<(node + 1) * group.perNode].reduce(0, +)
    }
    // A node that holds several groups carries the traffic of all of them over what is shared.
    let groupsOfNode = max(1, min(group.devices * group.replicas, topology.devicesPerNode) / group.devices)
    let insideEnd =
      topology.inside.shared ? busiest(nodeSums) * Double(groupsOfNode) : busiest(traffic.deviceCopies)
    let inside = topology.inside.time(
      peers: group.perNode - 1, bytes: tokenBytes * insideEnd * (m - 1) * (isDirect ? 1 : nodes))
    var between = 0.0
    if let link = topology.between, group.nodes > 1 {
      if isDirect {
        let end = link.shared ? busiest(nodeSums) : busiest(traffic.deviceCopies)
        between = link.time(peers: group.devices - group.perNode, bytes: tokenBytes * end * (devices - m))
      } else {
        // Each of a node's m devices takes in the copies from its own rank elsewhere.
        let end = busiest(traffic.nodeCopies) * (link.shared ? m : 1)
        between = link.time(peers: group.nodes - 1, bytes: tokenBytes * end * (nodes - 1))
      }
    }
    let exchangeTime = isDirect ? max(inside, between) : inside + between
    let operations =
      Double(workload.tokens)
      * (devices * busiest(traffic.expertRows) * workload.expertFlops + workload.denseFlops)
    let computeTime = operations / topology.flops
    /// All-to-all that does not hide behind compute.
    func exposed(_ exchanges: Double, behind compute: Double) -> Double {
      max(0, exchanges * exchangeTime - topology.overlap * compute)
    }
    let exposedForward = exposed(2, behind: computeTime)
    let exposedTraining = exposed(4, behind: 3 * computeTime)
    let gradients = Double(experts / group.devices) * workload.expertBytes
    let forwardTime = computeTime + exposedForward
    let trainingTime = 3 * computeTime + exposedTraining + Self.allReduce(gradients, group, topology)
    allToAll = exchangeTime
    compute = computeTime
    forward = forwardTime
    training = trainingTime
    forwardShare = forwardTime > 0 ? exposedForward / forwardTime : 0
    trainingShare = trainingTime > 0 ? exposedTraining / trainingTime : 0
  }

  /// Ring all-reduce of a device's expert gradients over the replicas of its group: 2·(R − 1)/R of them cross the
  /// widest level that the replicas span.
  private static func allReduce(_ bytes: Double, _ group: Group, _ topology: Topology) -> Double {
    guard group.replicas > 1 else { return 0 }
    let spansNodes = group.devices * group.replicas > topology.devicesPerNode
    let link = spansNodes ? topology.between ?? topology.inside : topology.inside
    let share = link.shared ? Double(topology.devicesPerNode) : 1
    let crossing = bytes * 2 * Double(group.replicas - 1) / Double(group.replicas) * share
    return link.time(peers: 2 * (group.replicas - 1), bytes: crossing)
  }
}
