public import Placements
public import Models

/// The experts that one of several processes holds, and their adapters: those that the placement puts on its device.
public struct ExpertShard: Sendable, Equatable {
  /// Which device holds which expert.
  public let placement: Placement
  /// This process's device.
  public let device: Int
  /// Adapters of the whole model; nil for none.
  private let adapters: AdapterSettings?
  /// Layer and experts of each stacked parameter, in the order of its entries.
  private let stacks: [String: Stack]

  private struct Stack: Sendable, Equatable {
    let layer: Int
    let experts: [Int]
  }

  /// A device's experts.
  ///
  /// - Parameters:
  ///   - placement: Which device holds which expert.
  ///   - device: 0..<devices.
  ///   - configuration: The model's sizes.
  ///   - adapters: Adapters of the whole model; nil for none.
  public init(
    _ placement: Placement, device: Int, _ configuration: ModelConfiguration, adapters: AdapterSettings? = nil
  ) {
    (self.placement, self.device, self.adapters) = (placement, device, adapters)
    var stacks: [String: Stack] = [:]
    for (path, shape) in ModelFamily.parameters(configuration) where path.role == .experts && shape.count == 3 {
      guard let layer = configuration.sparseLayers.first(where: { path.name.contains(".layers.\($0).") }) else {
        continue
      }
      stacks[path.name] = Stack(layer: layer, experts: Array(0..<shape[0]))
      guard let adapters, let factors = adapters.factors(of: path, shape: shape) else { continue }
      let adapted = adapters.experts(of: path.parent.name, count: shape[0])
      for factor in [factors.a, factors.b] { stacks[factor.path.name] = Stack(layer: layer, experts: adapted) }
    }
    self.stacks = stacks
  }

  /// The entries wanted of a stacked parameter, rising; nil for parameters that every process holds whole.
  ///
  /// Entries are experts, and of adapters numbers among the adapted experts.
  public func entries(of name: String) -> [Int]? { entries(of: name, on: device) }

  /// The same of any device.
  public func entries(of name: String, on device: Int) -> [Int]? {
    guard let stack = stacks[name], let found = placement.layers.first(where: { $0.layer == stack.layer }) else {
      return nil
    }
    return stack.experts.indices.filter { found.expertDevice[stack.experts[$0]] == device }
  }

  /// Entries of the whole of a stacked parameter; nil for parameters that every process holds whole.
  func count(of name: String) -> Int? { stacks[name]?.experts.count }

  /// The adapters of this device, by the places that its experts have here; nil for none.
  public var ownAdapters: AdapterSettings? {
    guard var own = adapters else { return nil }
    own.experts = [:]
    for (name, stack) in stacks {
      let path = ParameterPath(name, role: .experts)
      guard !path.isAdapter, let held = entries(of: name) else { continue }
      let adapted = adapters?.experts(of: path.parent.name, count: stack.experts.count) ?? []
      own.experts[path.parent.name] = held.indices.filter { adapted.contains(held[$0]) }
    }
    return own
  }
}
