/// The machine that a plan is for: equal nodes with equal devices, and what a message costs inside a node and between
/// nodes.
///
/// One exchange over a level takes, on its busiest end,
///
///     t = latency + peers · per_peer + bytes / bandwidth
///
/// - Source: Hockney 1994 (α-β); a term per peer as in HierMoE, whose all-to-all sends to each peer apart.
public struct Topology: Sendable, Equatable, Encodable {
  /// One level of the network.
  public struct Link: Sendable, Equatable, Encodable {
    /// α: seconds an exchange takes before its first byte.
    public let latency: Double
    /// Seconds more for each peer.
    public let perPeer: Double
    /// 1/β: bytes per second and direction, of a device or, if `shared`, of all devices of a node together.
    public let bandwidth: Double
    /// Whether the devices of a node share one link.
    public let shared: Bool

    enum CodingKeys: String, CodingKey {
      case latency, bandwidth, shared
      case perPeer = "per_peer"
    }

    /// A level.
    ///
    /// - Parameters:
    ///   - latency: α, seconds.
    ///   - perPeer: seconds per peer.
    ///   - bandwidth: bytes per second and direction, above 0.
    ///   - shared: one link for all devices of a node.
    public init(latency: Double, perPeer: Double = 0, bandwidth: Double, shared: Bool = false) {
      precondition(latency >= 0 && perPeer >= 0 && bandwidth > 0, "Link: times below 0 or no bandwidth")
      self.latency = latency
      self.perPeer = perPeer
      self.bandwidth = bandwidth
      self.shared = shared
    }

    /// Seconds of one exchange with `peers` others; nothing without peers.
    func time(peers: Int, bytes: Double) -> Double {
      peers <= 0 ? 0 : latency + Double(peers) * perPeer + bytes / bandwidth
    }
  }

  /// How rows reach devices of other nodes.
  public enum Exchange: String, Sendable, CaseIterable, Codable {
    /// One all-to-all: a row for each device, wherever it is. Both levels work side by side.
    case direct
    /// One row for each node, to the device of the sender's own rank there, which passes it on inside. Stages add up.
    case hierarchical
  }

  /// What the machine is, in words.
  public let name: String
  /// Devices of a node.
  public let devicesPerNode: Int
  /// Between devices of one node.
  public let inside: Link
  /// Between nodes; `nil` where there is one node.
  public let between: Link?
  /// How rows travel.
  public let exchange: Exchange
  /// The share of the compute behind which all-to-all can hide, 0...1.
  public let overlap: Double
  /// Floating-point operations per second that a device reaches on expert products.
  public let flops: Double

  enum CodingKeys: String, CodingKey {
    case name, inside, between, exchange, overlap, flops
    case devicesPerNode = "devices_per_node"
  }

  /// A machine.
  ///
  /// - Parameters:
  ///   - name: in words.
  ///   - devicesPerNode: at least 1.
  ///   - inside: between devices of a node.
  ///   - between: between nodes; `nil` for one node.
  ///   - exchange: how rows travel.
  ///   - overlap: the share of compute that hides all-to-all.
  ///   - flops: reached on expert products, above 0.
  public init(
    name: String, devicesPerNode: Int, inside: Link, between: Link?, exchange: Exchange = .direct, overlap: Double = 0,
    flops: Double
  ) {
    precondition(devicesPerNode > 0 && flops > 0 && (0...1).contains(overlap), "Topology: '\(name)' is out of range")
    self.name = name
    self.devicesPerNode = devicesPerNode
    self.inside = inside
    self.between = between
    self.exchange = exchange
    self.overlap = overlap
    self.flops = flops
  }

  /// What a copy to another node costs beside one inside: the ratio of bandwidths in a hierarchical exchange, 0 in a
  /// direct one, where copies cross nodes however experts lie.
  public var nodeCost: Double {
    guard let between, exchange == .hierarchical else { return 0 }
    func each(_ link: Link) -> Double { link.bandwidth / (link.shared ? Double(devicesPerNode) : 1) }
    return min(1000, each(inside) / each(between))
  }

  /// Nodes that an expert-parallel group of `devices` spans, or `nil` where it does not fit: a group is a divisor of a
  /// node or whole nodes.
  public func nodes(of devices: Int) -> Int? {
    if devices <= devicesPerNode { return devicesPerNode % devices == 0 ? 1 : nil }
    return between != nil && devices % devicesPerNode == 0 ? devices / devicesPerNode : nil
  }
}
