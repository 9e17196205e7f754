internal import Routing

/// A placement as serving engines read it: which original (logical) expert lies in each (physical) slot.
///
/// Slot p of an engine lies on device p / (E/D + R). Within a device, its own experts come first, ascending, then
/// replicas. Files and versions that each form was checked against: docs/placement-export.md.
public struct PlacementExport: Sendable, Equatable {
  /// Engines whose form could be checked.
  public enum Engine: String, Sendable, CaseIterable {
    /// What `rebalance_experts` of DeepSeek's EPLB returns.
    case eplb
    /// What `--init-expert-location` of SGLang reads.
    case sglang
    /// What `eplb_config.expert_map_path` of vLLM Ascend reads.
    case vllmAscend = "vllm-ascend"

    /// For help and messages.
    public static let words = "eplb, sglang or vllm-ascend"
  }

  /// The file's contents.
  public let json: String

  /// Writes a placement for an engine.
  ///
  /// - Parameters:
  ///   - placement: with or without replicas, as many experts on every device.
  ///   - name: of the engine.
  ///   - modelLayers: of the model, for `sglang`, which has a row for layers without experts as well; `nil` for up to
  ///     the placement's last.
  /// - Throws: `PlacementExportError`.
  public init(_ placement: Placement, for name: String, modelLayers: Int? = nil) throws(PlacementExportError) {
    guard let engine = Engine(rawValue: name) else { throw .engine(name) }
    let maps = placement.layers.map { Self.slots($0, devices: placement.devices) }
    let width = placement.experts / placement.devices + placement.replicasPerDevice
    guard maps.allSatisfy({ $0.allSatisfy { $0.count == width } }) else {
      throw .uneven(experts: placement.experts, devices: placement.devices)
    }
    switch engine {
    case .eplb:
      let flat = maps.map { $0.flatMap { $0 } }
      let slots = flat.map { map in
        map.enumerated().reduce(into: [[Int]](repeating: [], count: placement.experts)) {
          $0[$1.element].append($1.offset)
        }
      }
      let most = slots.joined().map(\.count).max() ?? 1
      let padded = slots.map { layer in
        layer.map { $0 + [Int](repeating: -1, count: most - $0.count) }
      }
      json = Self.text([
        ("physical_to_logical_map", Self.rows(flat)),
        (
          "logical_to_physical_map",
          "[\n" + padded.map { "    " + Self.list($0.map(Self.list)) }.joined(separator: ",\n") + "\n  ]"
        ),
        ("expert_count", Self.rows(slots.map { $0.map(\.count) })),
      ])
    case .sglang:
      let last = placement.layers.last?.layer ?? -1
      let count = modelLayers ?? last + 1
      guard (last + 1...Most.layers).contains(count) else { throw .layers(expected: last + 1, found: count) }
      // Layers without experts have a row that nothing reads; it is the engine's own default.
      var flat = [[Int]](
        repeating: (0..<width * placement.devices).map { $0 % placement.experts }, count: count)
      for (layer, map) in zip(placement.layers, maps) { flat[layer.layer] = map.flatMap { $0 } }
      json = Self.text([("physical_to_logical_map", Self.rows(flat))])
    case .vllmAscend:
      let layers = maps.enumerated().map { index, map in
        let devices = map.enumerated().map {
          "{\"device_id\": \($0.offset), \"device_expert\": \(Self.list($0.element.map(String.init)))}"
        }
        return
          "    {\"layer_id\": \(index), \"device_count\": \(placement.devices), \"device_list\": \(Self.list(devices))}"
      }
      json = Self.text([
        ("moe_layer_count", "\(maps.count)"), ("layer_list", "[\n" + layers.joined(separator: ",\n") + "\n  ]"),
      ])
    }
  }

  /// The experts of each device of a layer: its own, ascending, then replicas.
  private static func slots(_ layer: Placement.Layer, devices: Int) -> [[Int]] {
    var slots = [[Int]](repeating: [], count: devices)
    for (expert, device) in layer.expertDevice.enumerated() { slots[device].append(expert) }
    for replica in layer.replicas ?? [] { slots[replica.device].append(replica.expert) }
    return slots
  }

  private static func list(_ items: [String]) -> String { "[" + items.joined(separator: ", ") + "]" }
  private static func list(_ items: [Int]) -> String { list(items.map(String.init)) }
  private static func rows(_ rows: [[Int]]) -> String {
    "[\n" + rows.map { "    " + list($0) }.joined(separator: ",\n") + "\n  ]"
  }
  private static func text(_ entries: [(key: String, value: String)]) -> String {
    "{\n" + entries.map { "  \"\($0.key)\": \($0.value)" }.joined(separator: ",\n") + "\n}\n"
  }
}

/// Why a placement cannot be written for an engine.
public enum PlacementExportError: Error, Equatable, CustomStringConvertible {
  /// An engine whose form could not be checked, or none at all.
  case engine(String)
  /// Fewer layers than the placement has.
  case layers(expected: Int, found: Int)
  /// Devices hold different numbers of experts, which no engine can hold.
  case uneven(experts: Int, devices: Int)

  /// `where: expected …, found …; try …`.
  public var description: String {
    switch self {
    case .engine("vllm"):
      "--export: expected \(PlacementExport.Engine.words), found 'vllm', which reads no map from a file in a released "
        + "version; try vllm-ascend on Ascend"
    case .engine("megatron"):
      "--export: expected \(PlacementExport.Engine.words), found 'megatron', which reads no map: its experts lie in the "
        + "order of the checkpoint; try exporting the model with its experts in placed order"
    case .engine(let found):
      "--export: expected \(PlacementExport.Engine.words), found '\(found)'"
    case .layers(let expected, let found):
      "--layers: expected \(found < expected ? "at least \(expected)" : "at most \(Most.layers)"), found \(found)"
    case .uneven(let experts, let devices):
      "--export: expected as many of \(experts) experts on each of \(devices) devices, found more on some; try a placement "
        + "without slack"
    }
  }
}
