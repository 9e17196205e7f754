/// Equal nodes with equal devices, and the way of a copy between them.
///
/// Device d is on node ⌊d / M⌋, M = D / N. A copy for another node goes to the *relay* there, the device with the
/// sender's own number inside its node, which hands it on: a token crosses to a node once, whichever devices it uses on
/// it, and the relays of a node share its traffic evenly. With one node every copy goes to its device directly.
public struct NodeLayout: Sendable, Equatable {
  /// D
  public let devices: Int
  /// N, a divisor of D.
  public let nodes: Int

  /// D devices on N nodes.
  ///
  /// - Parameters:
  ///   - devices: D.
  ///   - nodes: N, a divisor of D; everything else is the caller's mistake.
  public init(devices: Int, nodes: Int = 1) {
    precondition(
      nodes >= 1 && devices % nodes == 0, "NodeLayout: expected a divisor of \(devices) devices, found \(nodes) nodes")
    (self.devices, self.nodes) = (devices, nodes)
  }

  /// M, devices of a node.
  public var perNode: Int { devices / nodes }

  /// The node of a device.
  public func node(of device: Int) -> Int { device / perNode }

  /// The devices of a node, rising.
  public func members(of node: Int) -> Range<Int> { node * perNode..<(node + 1) * perNode }

  /// Where copies of `home` for a node arrive; `home` itself in its own.
  public func relay(from home: Int, to node: Int) -> Int { node * perNode + home % perNode }

  /// The relays of a device in all nodes, itself among them, by node.
  public func relays(of device: Int) -> [Int] { (0..<nodes).map { relay(from: device, to: $0) } }
}
