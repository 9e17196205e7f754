public import Collaboration
public import Models

/// The experts that one of several processes holds: those that the placement puts on its device.
public struct ExpertShard: Sendable, Equatable {
  /// Which device holds which expert.
  public let placement: Placement
  /// This process's device.
  public let device: Int
  /// Layer of each stacked parameter.
  private let layers: [String: Int]

  /// A device's experts.
  ///
  /// - Parameters:
  ///   - placement: Which device holds which expert.
  ///   - device: 0..<devices.
  ///   - configuration: The model's sizes.
  public init(_ placement: Placement, device: Int, _ configuration: ModelConfiguration) {
    (self.placement, self.device) = (placement, device)
    var layers: [String: Int] = [:]
    for (path, shape) in ModelFamily.parameters(configuration) where path.role == .experts && shape.count == 3 {
      layers[path.name] = configuration.sparseLayers.first { path.name.contains(".layers.\($0).") }
    }
    self.layers = layers
  }

  /// The experts wanted of a stacked parameter, rising; nil for parameters that every process holds whole.
  public func experts(of name: String) -> [Int]? { experts(of: name, on: device) }

  /// The same of any device.
  public func experts(of name: String, on device: Int) -> [Int]? {
    guard let layer = layers[name], let found = placement.layers.first(where: { $0.layer == layer }) else { return nil }
    return found.expertDevice.indices.filter { found.expertDevice[$0] == device }
  }
}
