public import ArgumentParser
import Checkpoint
public import Collaboration
import Foundation

/// `occult place`.
struct Place: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Choose which device holds which expert, from a profile.",
    discussion: """
      Prints, for every layer and beside contiguous groups: devices_per_token (C_T), imbalance (heaviest device / mean), \
      remote_copies (expected, over homes) and intra_share (collaboration within a device).

      Example:
        occult place profile.h5 --devices 4 --method refined --output placement.json
      """)

  @Argument(help: "A profile written by 'occult profile' (.h5).", completion: .file())
  var profile: String

  @Option(help: "Number of devices, a divisor of the number of experts.")
  var devices: Int

  @Option(help: "refined, occult (the paper's greedy), spectral, load, contiguous or random.")
  var method = PlacementMethod.refined

  @Option(help: "refined: heaviest device at most so many times the mean, or 'none'.")
  var loadCap = LoadCap(value: 1.10)

  @Option(help: "Seed of random and spectral, and of the swaps that refined tries.")
  var seed: UInt64 = 0

  @Option(help: "refined: swaps proposed in a layer (default: eight rounds of fifty looks at each pair of experts).")
  var proposals: Int?

  @Option(help: "The placement to write (.json); it is replaced if it exists.", completion: .file())
  var output: String

  @OptionGroup var options: OutputOptions

  func validate() throws {
    if let proposals, proposals < 0 { throw ValidationError("--proposals: expected at least 0, found \(proposals)") }
  }

  func run() throws {
    let profile = try ProfileFile.read(profile)
    let placement = try Placement(
      profile, devices: devices, method: method,
      options: PlacementOptions(seed: seed, loadCap: loadCap.value, proposals: proposals))
    let summary = try PlacementSummary(placement, method: method, profile: profile)
    try TextFile.write(placement.json, to: output)
    if options.json { return try OutputOptions.print(summary) }
    var table = TextTable(heads: [
      "layer", ">devices_per_token", ">contiguous", ">imbalance", ">contiguous", ">remote_copies", ">contiguous",
      ">intra_share", ">contiguous",
    ])
    for row in summary.layers + [summary.mean] {
      let (new, old) = (row.predicted, row.contiguous)
      let pairs = [
        (new.devicesPerToken, old.devicesPerToken), (new.imbalance, old.imbalance),
        (new.remoteCopies, old.remoteCopies), (new.intraShare, old.intraShare),
      ]
      table.rows.append([row.layer.map { "\($0)" } ?? "mean"] + pairs.flatMap { [fixed($0.0), fixed($0.1)] })
    }
    print(table.text)
    print(
      "\n\(output): \(method.rawValue) on \(devices) devices; predicted on the profile's text, remote_copies expected "
        + "over homes; a random choice of experts would use \(fixed(summary.randomChoice)) devices per token")
  }
}

/// `none` or a factor.
struct LoadCap: ExpressibleByArgument, CustomStringConvertible {
  let value: Double?

  init(value: Double?) { self.value = value }

  init?(argument: String) {
    if argument == "none" {
      value = nil
    } else if let number = Double(argument) {
      value = number
    } else {
      return nil
    }
  }

  var description: String { value.map { "\($0)" } ?? "none" }
  var defaultValueDescription: String { description }
}

extension PlacementMethod: ExpressibleByArgument {}
