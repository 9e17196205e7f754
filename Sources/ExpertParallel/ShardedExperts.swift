internal import Routing
public import Models
public import Tensors

/// How rows travel and when.
public struct DispatchOptions: Sendable, Equatable {
  /// Elements on the wire; sums are float32 either way.
  public enum Wire: String, Sendable, CaseIterable, Codable {
    /// As computed.
    case float32
    /// Rounded to nearest even: half the bytes.
    case bfloat16

    /// Size of an element in bytes.
    var byteCount: Int { self == .float32 ? 4 : 2 }
  }

  /// One row a device, or one an expert.
  public var mode: DispatchPlan.Mode
  /// Elements on the wire.
  public var wire: Wire
  /// Whether experts work on rows that are here while others travel. That takes every expert's weights twice or thrice
  /// from memory, and gains only where links are slow and many: docs/communication.md has figures.
  public var overlaps: Bool
  /// N, a divisor of the number of ranks: with several nodes a token crosses to each of them once, for all devices
  /// there.
  public var nodes: Int

  /// Options; see the properties.
  public init(mode: DispatchPlan.Mode = .deduplicated, wire: Wire = .float32, overlaps: Bool = false, nodes: Int = 1) {
    (self.mode, self.wire, self.overlaps, self.nodes) = (mode, wire, overlaps, nodes)
  }
}

/// The experts of a layer, spread over ranks: rank d holds those that the placement puts on device d.
///
///     ORI ─dispatch→ SFD ─BRIM₁→ EPD: experts, weights ─sum→ SFD ─combine→ ORI
///
/// Backward runs the same way with gradients: that of a combine is a dispatch, that of a dispatch a combine.
///
/// On several nodes this happens twice, one in the other: rows go to a relay on each node that the token uses, which
/// dispatches them to the devices of its node, adds up what comes back in the order of devices, and returns one row.
public struct ShardedExperts: ExpertExecution {
  /// The ranks.
  public let communicator: any Communicator
  /// Absolute number of the layer.
  public let layer: Int
  /// π
  public let expertDevice: [Int]
  /// How rows travel.
  public let options: DispatchOptions

  /// A layer's experts.
  ///
  /// - Parameters:
  ///   - communicator: As many ranks as devices.
  ///   - layer: Absolute number of the layer.
  ///   - expertDevice: π.
  ///   - options: How rows travel.
  public init(
    communicator: any Communicator, layer: Int, expertDevice: [Int], options: DispatchOptions = DispatchOptions()
  ) {
    precondition(
      expertDevice.allSatisfy { (0..<communicator.size).contains($0) },
      "ShardedExperts: layer \(layer) names a device that is none of \(communicator.size) ranks")
    precondition(
      options.nodes == 1 || options.mode == .deduplicated, "ShardedExperts: nodes, yet a row for every expert")
    (self.communicator, self.layer, self.expertDevice, self.options) = (communicator, layer, expertDevice, options)
  }

  /// Dispatches, computes and combines.
  public func callAsFunction(_ x: Tensor, _ routing: LayerRouting, _ experts: ExpertStack) -> Tensor {
    let factors = experts.adapter.map { ($0.gateUp, $0.down) }
    let levels = self.levels
    let plan = DispatchPlan(
      used: routing.used, topK: routing.k, expertDevice: levels[0].expertRank, devices: levels[0].communicator.size,
      mode: options.mode)
    let product = ShardedProduct(
      levels: levels, layer: layer, options: options, plan: plan, hidden: x.columns, x: x.storage,
      weights: routing.weights.storage, gateUp: experts.gateUp, down: experts.down, adapters: factors)
    let parameters = factors.map { [$0.0.a, $0.0.b, $0.1.a, $0.1.b] } ?? []
    let inputs = [x, routing.weights, experts.gateUp, experts.down] + parameters
    let wanted = inputs.map(\.isTracked)
    let (y, kept) = product.forward(keepingActivations: wanted.contains(true))
    guard let kept else { return Tensor(y, x.shape) }
    let shapes = inputs.map(\.shape)
    return .op(
      y, x.shape,
      Tensor.jointGradient(inputs) { dy in
        zip(product.backward(dy: dy.storage, kept, wanted: wanted), shapes).map { gradient, shape in
          gradient.map { Tensor($0, shape) }
        }
      })
  }
  /// All ranks at once; or this rank's relays on all nodes, then the ranks of its node.
  private var levels: [DispatchLevel] {
    if options.nodes == 1 { return [DispatchLevel(communicator: communicator, expertRank: expertDevice)] }
    let layout = NodeLayout(devices: communicator.size, nodes: options.nodes)
    let members = layout.members(of: layout.node(of: communicator.rank))
    return [
      DispatchLevel(
        communicator: SubsetCommunicator(communicator, layout.relays(of: communicator.rank)),
        expertRank: expertDevice.map(layout.node)),
      DispatchLevel(
        communicator: SubsetCommunicator(communicator, Array(members)),
        expertRank: expertDevice.filter(members.contains).map { $0 - members.lowerBound }),
    ]
  }
}

/// Ranks among which rows are spread, and which of them leads to which expert.
struct DispatchLevel: Sendable {
  let communicator: any Communicator
  /// Rank of every expert that is reached through these ranks, by rising original number.
  let expertRank: [Int]
}
