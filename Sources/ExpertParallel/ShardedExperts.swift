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
  /// Whether experts work on rows that are here while others travel.
  public var overlaps: Bool

  /// Options; see the properties.
  public init(mode: DispatchPlan.Mode = .deduplicated, wire: Wire = .float32, overlaps: Bool = true) {
    (self.mode, self.wire, self.overlaps) = (mode, wire, overlaps)
  }
}

/// The experts of a layer, spread over ranks: rank d holds those that the placement puts on device d.
///
///     ORI ─dispatch→ SFD ─BRIM₁→ EPD: experts, weights ─sum→ SFD ─combine→ ORI
///
/// Backward runs the same way with gradients: that of a combine is a dispatch, that of a dispatch a combine.
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
    (self.communicator, self.layer, self.expertDevice, self.options) = (communicator, layer, expertDevice, options)
  }

  /// Dispatches, computes and combines.
  public func callAsFunction(_ x: Tensor, _ routing: LayerRouting, _ experts: ExpertStack) -> Tensor {
    let plan = DispatchPlan(
      used: routing.used, topK: routing.k, expertDevice: expertDevice, devices: communicator.size, mode: options.mode)
    let factors = experts.adapter.map { ($0.gateUp, $0.down) }
    let product = ShardedProduct(
      communicator: communicator, layer: layer, options: options, plan: plan, hidden: x.columns, x: x.storage,
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
}
