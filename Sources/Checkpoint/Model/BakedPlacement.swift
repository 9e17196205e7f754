internal import Files
internal import Placements
internal import Routing
internal import Models

/// Parameters whose experts lie in contiguous groups, one a device: `convert --bake-placement`.
///
/// Of every layer the experts' rows of the stacks, and of the router, are put in the order of
/// ``Placement/Permutation``: devices ascending, within a device by original number. Everything else passes unchanged.
struct BakedPlacement: ParameterBytes {
  let base: any ParameterBytes
  let placement: Placement

  func inventory() throws(FileError) -> [StoredParameter] { try base.inventory() }

  func withBytes(
    _ parameter: StoredParameter, as type: ElementType, _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
  ) throws(FileError) {
    guard let inverse = inverse(of: parameter) else { return try base.withBytes(parameter, as: type, body) }
    // One parameter is held at a time: its first row may be the last to arrive.
    let width = parameter.shape.dropFirst().reduce(type.byteCount, *)
    let scratch = PageMemory(width * inverse.count)
    let moved = scratch.prefix()
    var expert = 0
    try base.withBytes(parameter, as: type) { (bytes) throws(FileError) in
      for start in stride(from: 0, to: bytes.count, by: width) {
        let place = inverse[expert] * width
        UnsafeMutableRawBufferPointer(rebasing: moved[place..<place + width]).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + width]))
        expert += 1
      }
    }
    try body(UnsafeRawBufferPointer(moved))
  }

  /// Expert → place; nil for a parameter that has no row an expert, or whose layer has no placement.
  private func inverse(of parameter: StoredParameter) -> [Int]? {
    let name = parameter.path.name
    let parts = name.split(separator: ".")
    guard name.hasSuffix(".mlp.gate.weight") || parameter.shape.count == 3, parameter.shape.first == placement.experts,
      let layers = parts.firstIndex(of: "layers"), let layer = Int(parts[layers + 1]),
      let found = placement.layers.first(where: { $0.layer == layer })
    else { return nil }
    return Placement.Permutation(found.expertDevice).inverse
  }
}

extension Placement {
  /// The placement of the same experts once they lie in the order of their devices.
  var contiguous: Placement {
    get throws(PlacementError) {
      try Placement(
        modelType: modelType, experts: experts, devices: devices,
        layers: layers.map { Layer(layer: $0.layer, expertDevice: $0.expertDevice.sorted()) })
    }
  }
}
