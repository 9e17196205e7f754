internal import Files
internal import Profiles
public import ArgumentParser
import Checkpoint
internal import Placements
import Evaluation
import Formats
import Foundation
import Training

/// `occult place`.
struct Place: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Choose which device holds which expert, from a profile.",
    discussion: """
      Prints, for every layer and beside contiguous groups: devices_per_token (C_T), imbalance (heaviest device / mean), \
      remote_copies (expected, over homes) and intra_share (collaboration within a device). lower_bound is a certificate: \
      no placement with the same group sizes and load cap uses fewer devices per token on the profile's sets.

      Examples:
        occult place profile.h5 --devices 4 --method refined --output placement.json
        occult place profile.h5 --devices 16 --nodes 2 --replicas 1 --output placement.json --export sglang map.json
        occult place placement.json --export eplb map.json
        occult place profile.h5 --devices 8 --pareto --output placement.json
      """)

  @Argument(help: "A profile written by 'occult profile' (.h5), or a placement (.json) to export.", completion: .file())
  var profile: String

  @Option(help: "Number of devices, a divisor of the number of experts.", transform: count)
  var devices: Int?

  @Option(help: "refined, occult (the paper's greedy), spectral, load, contiguous or random.")
  var method = PlacementMethod.refined

  @Option(help: "refined: heaviest device at most so many times the mean, or 'none'.")
  var loadCap = LoadCap(value: 1.10)

  @Option(help: "Seed of random and spectral, and of the swaps that refined tries.")
  var seed: UInt64 = 0

  @Option(
    help: "refined: swaps proposed in a layer (default: eight rounds of fifty looks at each pair of experts).",
    transform: count)
  var proposals: Int?

  @Option(
    help: "refined: take about so many seconds in all; prints, and keeps in the file, the --proposals that repeat it.",
    transform: number)
  var seconds: Double?

  @Option(
    help: "refined: experts that a device may hold more or fewer than its equal share. (default: 0)", transform: count)
  var slack = 0

  @Flag(help: "Also print what refined reaches under load caps from 1.02 to none.")
  var pareto = false

  @Option(help: "The placement to write (.json); it is replaced if it exists.", completion: .file())
  var output: String?

  @OptionGroup var topology: PlacementTopologyOptions

  @OptionGroup var options: OutputOptions

  func validate() throws {
    if !exportsPlacement, devices == nil || output == nil {
      throw ValidationError(
        "place: expected --devices and --output, found \(devices == nil ? "no --devices" : "no --output")")
    }
    if let proposals, proposals < 0 { throw ValidationError("--proposals: expected at least 0, found \(proposals)") }
    if slack > 0, topology.options.nodes > 1 || topology.options.replicas > 0 {
      throw ValidationError("--slack: expected one node and no replicas beside it, found \(slack)")
    }
    if slack < 0 { throw ValidationError("--slack: expected at least 0, found \(slack)") }
    if let seconds {
      if !(seconds > 0) { throw ValidationError("--seconds: expected more than 0, found \(seconds)") }
      if proposals != nil { throw ValidationError("--seconds: expected no --proposals beside it, found both") }
    }
    for (name, given) in [("--seconds", seconds != nil), ("--slack", slack > 0)] where given && method != .refined {
      throw ValidationError("\(name): expected --method refined, found \(method.rawValue)")
    }
  }

  func run() throws {
    guard let devices, let output else {
      return try topology.writeExport(try Placement(path: profile, replicas: true))
    }
    let begun = ContinuousClock.now
    let profile = try ProfileFile.read(profile)
    var placing = PlacementOptions(seed: seed, loadCap: loadCap.value, proposals: proposals, slack: slack)
    placing.certify = true
    if let seconds {
      placing.proposals = try PlacementMethod.proposals(
        profile, devices: devices, options: placing, searches: pareto ? 1 + PlacementFrontier.caps.count : 1,
        seconds: seconds, clock: { (ContinuousClock.now - begun) / .seconds(1) })
    }
    let progress = ProgressLine(label: "place", total: profile.layers.count, unit: "layers")
    var placement = try Placement(
      profile, devices: devices, method: method, options: placing, topology: topology.options
    ) { progress.update($0) }
    if method == .refined { placement.proposals = placing.proposals }
    guard profile.hasSets else {
      progress.finish()
      return try showLoads(placement, profile, to: output)
    }
    let summary = try PlacementSummary(placement, method: method, profile: profile, proposals: placing.proposals)
    let cost = try LoadCapCost(summary, profile: profile, options: placing)
    let frontier = pareto ? try PlacementFrontier(profile, devices: devices, options: placing) : nil
    progress.finish()
    try TextFile.write(placement.json, to: output)
    try topology.writeExport(placement)
    if options.json { return try OutputOptions.print(Output(summary: summary, frontier: frontier, loadCapCost: cost)) }
    var table = TextTable(heads: [
      "layer", ">devices_per_token", ">contiguous", ">imbalance", ">contiguous", ">remote_copies", ">contiguous",
      ">intra_share", ">contiguous", ">lower_bound", ">gap",
    ])
    for row in summary.layers + [summary.mean] {
      let (new, old) = (row.predicted, row.contiguous)
      let pairs = [
        (new.devicesPerToken, old.devicesPerToken), (new.imbalance, old.imbalance),
        (new.remoteCopies, old.remoteCopies), (new.intraShare, old.intraShare),
      ]
      var cells = [row.layer.map { "\($0)" } ?? "mean"]
      for (figure, beside) in pairs { cells += [fixed(figure), fixed(beside)] }
      cells.append(row.certificate.map { fixed($0.lowerBound) } ?? "")
      cells.append(row.certificate.map { fixed($0.gap) } ?? "")
      table.rows.append(cells)
    }
    print(table.text)
    print(
      "\n\(output): \(method.rawValue) on \(counted(devices, "device")); predicted on the profile's text, remote_copies expected "
        + "over homes; a random choice of experts would use \(fixed(summary.randomChoice)) devices per token")
    for line in topology.lines(placement) { print(line) }
    if let cost { print(wrapped(words(cost, of: summary), at: 120)) }
    if let proposals = summary.proposals { print("repeat with --proposals \(proposals) --seed \(seed)") }
    if let frontier { print("\n" + Self.table(frontier)) }
  }

  /// What a profile of loads alone lets one say.
  private func showLoads(_ placement: Placement, _ profile: CollaborationProfile, to output: String) throws {
    if pareto { throw PlacementError.noRecordedSets(layer: profile.layers[0].layer) }
    try TextFile.write(placement.json, to: output)
    try topology.writeExport(placement)
    let summary = try LoadSummary(placement, method: method, profile: profile)
    if options.json { return try OutputOptions.print(summary) }
    var table = TextTable(heads: ["layer", ">imbalance", ">contiguous"])
    table.rows = (summary.layers + [summary.mean]).map {
      [$0.layer.map { "\($0)" } ?? "mean", fixed($0.imbalance), fixed($0.contiguousImbalance)]
    }
    print(table.text)
    print(
      "\n\(output): \(method.rawValue) on \(counted(placement.devices, "device")), from loads alone: devices_per_token and "
        + "what follows from it take a profile with recorded sets")
  }

  private func words(_ cost: LoadCapCost, of summary: PlacementSummary) -> String {
    let all = cost.layers.count == summary.layers.count
    let numbers = cost.layers.map { "\($0)" }.joined(separator: ", ")
    let place = all ? "" : "in \(counted(cost.layers.count, "layer")) of \(summary.layers.count) (\(numbers)) "
    return "load cap \(loadCap): \(place)refined uses more devices per token than contiguous groups, "
      + "\(fixed(cost.capped.devicesPerToken)) against \(fixed(cost.contiguous.devicesPerToken)), which need not keep the cap "
      + "(imbalance \(fixed(cost.capped.imbalance)) against \(fixed(cost.contiguous.imbalance))); --load-cap none would give "
      + "\(fixed(cost.uncapped.devicesPerToken)) at imbalance \(fixed(cost.uncapped.imbalance))"
  }

  private static func table(_ frontier: PlacementFrontier) -> String {
    let rows = frontier.points.map { point in
      let mean = point.predicted
      return [LoadCap(value: point.loadCap).description]
        + [mean.devicesPerToken, mean.remoteCopies, mean.imbalance, point.worstImbalance].map { fixed($0) }
    }
    return TextTable(
      heads: ["load_cap", ">devices_per_token", ">remote_copies", ">imbalance", ">worst layer"], rows: rows
    ).text
  }

  /// The summary, and the frontier beside it where it was asked for.
  private struct Output: Encodable {
    let summary: PlacementSummary
    let frontier: PlacementFrontier?
    let loadCapCost: LoadCapCost?

    enum CodingKeys: String, CodingKey { case frontier, loadCapCost }

    func encode(to encoder: any Encoder) throws {
      try summary.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encodeIfPresent(frontier?.points, forKey: .frontier)
      try container.encodeIfPresent(loadCapCost, forKey: .loadCapCost)
    }
  }

  /// Whether a placement that exists is written for an engine, and nothing else.
  private var exportsPlacement: Bool { devices == nil && output == nil && !topology.export.isEmpty }
}

/// `none` or a factor.
struct LoadCap: ExpressibleByArgument, CustomStringConvertible {
  let value: Double?

  init(value: Double?) { self.value = value }

  init?(argument: String) {
    if argument == "none" {
      value = nil
    } else if let number = Double(argument), number <= 65_536 {
      value = number
    } else {
      return nil
    }
  }

  var description: String { value.map { "\($0)" } ?? "none" }
  var defaultValueDescription: String { description }
}

extension PlacementMethod: ExpressibleByArgument {}
