internal import Files
import ArgumentParser
import Checkpoint
internal import Placements
import Formats
import Foundation

/// Nodes, replicas and export, for `place`.
struct PlacementTopologyOptions: ParsableArguments {
  @Option(
    help:
      "Number of nodes that the devices are on, a divisor of their number: copies per node count first. (default: 1)",
    transform: count)
  var nodes = 1

  @Option(
    help:
      "refined, several nodes: what a copy to a node costs beside 1 for a copy to a device. (default: \(PlacementMethod.defaultNodeCost))",
    transform: number)
  var nodeCost = PlacementMethod.defaultNodeCost

  @Option(
    help: "Further experts on each device: copies of experts that save most device visits. (default: 0)",
    transform: count)
  var replicas = 0

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Write the physical-to-logical map of an engine as well: \(PlacementExport.Engine.words), then a file. With a placement "
        + "(.json) in place of a profile, nothing else is done.", valueName: "engine> <file"))
  var export: [String] = []

  @Option(
    help: "--export sglang: number of layers of the model (default: up to the last of the placement).", transform: count
  )
  var layers: Int?

  func validate() throws {
    if !export.isEmpty, export.count != 2 {
      throw ValidationError("--export: expected an engine and a file, found \(counted(export.count, "value"))")
    }
    if layers != nil, export.first != PlacementExport.Engine.sglang.rawValue {
      throw ValidationError("--layers: expected --export sglang, found \(export.first.map { "'\($0)'" } ?? "none")")
    }
  }

  /// As the library takes it.
  var options: TopologyOptions { TopologyOptions(nodes: nodes, nodeCost: nodeCost, replicas: replicas) }

  /// Writes the engine's map, if one is asked for.
  func writeExport(_ placement: Placement) throws {
    guard let engine = export.first, let file = export.last else { return }
    try TextFile.write(try PlacementExport(placement, for: engine, modelLayers: layers).json, to: file)
    note("\(file): map for \(engine)")
  }

  /// What is printed below the table: the level of nodes, and what replicas save.
  func lines(_ placement: Placement) -> [String] {
    var lines: [String] = []
    if let between = placement.meanNodePrediction {
      lines.append(
        "\(counted(placement.nodes, "node")): \(fixed(between.nodesPerToken)) nodes per token, "
          + "\(fixed(between.remoteCopies)) copies cross nodes, imbalance of nodes \(fixed(between.imbalance))")
    }
    if let before = placement.meanPredictionWithoutReplicas, let after = placement.meanPrediction {
      lines.append(
        "\(counted(placement.replicasPerDevice, "replica")) a device: \(fixed(after.devicesPerToken)) devices per token "
          + "(\(fixed(before.devicesPerToken)) without), imbalance \(fixed(after.imbalance)) (\(fixed(before.imbalance)))"
      )
    }
    return lines
  }
}
