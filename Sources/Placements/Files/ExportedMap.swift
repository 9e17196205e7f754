internal import Routing
package import Formats

/// What ``PlacementExport`` wrote for a serving engine, read again: which original expert lies in each slot.
public struct ExportedMap: Sendable, Equatable {
  /// Whose form it is.
  public let engine: PlacementExport.Engine
  /// The original expert of each slot, layer by layer; slots of a device lie side by side.
  public let layers: [[Int]]
  /// D, where the form tells it.
  public let devices: Int?

  /// E: experts are numbered without gaps.
  public var experts: Int { (layers.joined().max() ?? -1) + 1 }

  /// Whether a file is one of these, by its keys.
  ///
  /// - Parameter json: The file.
  /// - Returns: Whether it has the keys of one.
  package static func isOne(_ json: JSONValue) -> Bool {
    json["physical_to_logical_map"] != nil || json["layer_list"] != nil
  }

  /// Reads a map of any of the forms.
  ///
  /// - Parameters:
  ///   - json: The file.
  ///   - file: Its name.
  /// - Throws: ``PlacementError/malformed(file:path:expected:found:)``: for a key that no form has as well.
  package init(_ json: JSONValue, file: String) throws(PlacementError) {
    let reader = Reader(file: file)
    if json["layer_list"] != nil {
      engine = .vllmAscend
      (layers, devices) = try reader.ascend(json)
    } else {
      engine = json["logical_to_physical_map"] == nil && json["expert_count"] == nil ? .sglang : .eplb
      (layers, devices) = (try reader.flat(json, engine), nil)
    }
    for (number, layer) in layers.enumerated() {
      let held = Set(layer)
      if layer.count != layers[0].count {
        throw reader.error("layer \(number)", "\(layers[0].count) slots as in layer 0", "\(layer.count)")
      }
      if let lost = (0..<experts).first(where: { !held.contains($0) }) {
        throw reader.error("layer \(number)", "a slot for each of \(experts) experts", "none for expert \(lost)")
      }
    }
  }
}

/// Reads the values of one file.
private struct Reader {
  let file: String

  func error(_ path: String, _ expected: String, _ found: String) -> PlacementError {
    .malformed(file: file, path: path, expected: expected, found: found)
  }

  func flat(_ json: JSONValue, _ engine: PlacementExport.Engine) throws(PlacementError) -> [[Int]] {
    let isFull = engine == .eplb
    let others: Set = isFull ? ["logical_to_physical_map", "expert_count"] : []
    try keys(json, others.union(["physical_to_logical_map"]), "")
    let layers = try rows(json, "physical_to_logical_map")
    guard isFull else { return layers }
    // The other two say the same in other words.
    let counts = try rows(json, "expert_count")
    let expected = layers.map { layer in
      layer.reduce(into: [Int](repeating: 0, count: (layer.max() ?? -1) + 1)) { $0[$1] += 1 }
    }
    if let number = layers.indices.first(where: { $0 >= counts.count || counts[$0] != expected[$0] }) {
      throw error("expert_count[\(number)]", "the slots of each expert in physical_to_logical_map", "others")
    }
    guard try list(json, "logical_to_physical_map").count == layers.count else {
      throw error("logical_to_physical_map", "\(layers.count) layers", "another number")
    }
    return layers
  }

  func ascend(_ json: JSONValue) throws(PlacementError) -> (layers: [[Int]], devices: Int?) {
    try keys(json, ["moe_layer_count", "layer_list"], "")
    let list = try list(json, "layer_list")
    var (layers, devices): ([[Int]], Int?) = ([], nil)
    for (number, layer) in list.enumerated() {
      let path = "layer_list[\(number)]"
      try keys(layer, ["layer_id", "device_count", "device_list"], path + ".")
      let parts = try self.list(layer, "device_list", path + ".")
      guard layer["layer_id"]?.integer == number, layer["device_count"]?.integer == parts.count,
        parts.count == devices ?? parts.count
      else { throw error(path, "layer \(number) with \(devices ?? parts.count) devices", "another number of either") }
      devices = parts.count
      var slots: [Int] = []
      for (device, part) in parts.enumerated() {
        let path = "\(path).device_list[\(device)]"
        try keys(part, ["device_id", "device_expert"], path + ".")
        guard part["device_id"]?.integer == device else { throw error(path + ".device_id", "\(device)", "another") }
        slots += try row(part["device_expert"], path + ".device_expert")
      }
      layers.append(slots)
    }
    guard json["moe_layer_count"]?.integer == layers.count, !layers.isEmpty else {
      throw error("moe_layer_count", "the \(layers.count) layers of layer_list, at least one", "another number")
    }
    return (layers, devices)
  }

  private func keys(_ json: JSONValue, _ known: Set<String>, _ path: String) throws(PlacementError) {
    guard case .object(let members) = json else { throw error(String(path.dropLast()), "an object", json.kind) }
    if let stranger = members.first(where: { !known.contains($0.key) }) {
      throw error(path + stranger.key, "\(known.sorted().joined(separator: ", ")) alone", "this key")
    }
  }

  private func list(_ json: JSONValue, _ key: String, _ path: String = "") throws(PlacementError) -> [JSONValue] {
    guard case .array(let values)? = json[key] else {
      throw error(path + key, "a list", json[key]?.kind ?? "no such key")
    }
    return values
  }

  private func rows(_ json: JSONValue, _ key: String) throws(PlacementError) -> [[Int]] {
    let values = try list(json, key)
    guard (1...Most.layers).contains(values.count) else {
      throw error(key, "1 to \(Most.layers) layers", "\(values.count)")
    }
    var rows: [[Int]] = []
    for (number, value) in values.enumerated() { rows.append(try row(value, "\(key)[\(number)]")) }
    return rows
  }

  private func row(_ value: JSONValue?, _ path: String) throws(PlacementError) -> [Int] {
    guard case .array(let values)? = value else { throw error(path, "a list of experts", value?.kind ?? "no such key") }
    let numbers = values.compactMap(\.integer)
    guard numbers.count == values.count, numbers.allSatisfy((0..<Most.experts).contains) else {
      throw error(path, "experts in 0..<\(Most.experts)", "something else")
    }
    return numbers
  }
}
