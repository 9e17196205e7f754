internal import Placements
import ArgumentParser
import Checkpoint
internal import Routing
import Evaluation
import Formats
import Tensors

/// `occult analyze`.
struct Analyze: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Say what a profile promises on so many devices, how much of it is structure, and whether to profile more.",
    discussion: """
      Fits a placement and prints, layer by layer, what it costs beside contiguous groups; the gain that is left when the \
      same method is fitted to shuffled routing with the same loads (null model); how much of the gain a placement fitted \
      on half of the documents has on the other half; and what more text would bring. With --against, placements fitted \
      on each profile are judged on the other; with --placement as well, that placement is judged on both: drift.

      Examples:
        occult analyze profile.h5 --devices 4
        occult analyze profile.h5 --devices 4 --against other-text.h5
        occult analyze before.h5 --against after.h5 --placement placement.json
      """)

  @Argument(help: "A profile written by 'occult profile' (.h5).", completion: .file())
  var profile: String

  @Option(
    help: "Number of devices, a divisor of the number of experts; with --placement, that of the placement.",
    transform: count)
  var devices: Int?

  @Option(help: "Another profile of the same model: other text, or after fine-tuning.", completion: .file())
  var against: String?

  @Option(help: "With --against: the placement whose drift is measured (.json).", completion: .file())
  var placement: String?

  @Option(help: "How experts are placed: refined, occult (the paper's greedy), load, contiguous or random.")
  var method = PlacementMethod.refined

  @Option(help: "refined: heaviest device at most so many times the mean, or 'none'.")
  var loadCap = LoadCap(value: 1.10)

  @Option(
    help: "refined: most swaps looked at in each of the placements that are fitted, about 30 a layer. (default: 50000)",
    transform: count
  )
  var proposals = 50_000

  @Option(help: "Draws of the null model; 0 leaves it out. (default: 20)", transform: count)
  var nullDraws = 20

  @Option(help: "Most recorded tokens of a layer that the null model is drawn from. (default: 20000)", transform: count)
  var nullTokens = 20_000

  @Option(help: "Recorded tokens that count as one step in figures of imbalance. (default: 1024)", transform: count)
  var stepTokens = 1024

  @Option(help: "Seed of placements, draws and splits.")
  var seed: UInt64 = 0

  @OptionGroup var output: OutputOptions

  func validate() throws {
    for (name, value, least) in [
      ("--proposals", proposals, 0), ("--null-draws", nullDraws, 0), ("--null-tokens", nullTokens, 1),
      ("--step-tokens", stepTokens, 1),
    ] where value < least {
      throw ValidationError("\(name): expected at least \(least), found \(value)")
    }
    if placement != nil, against == nil {
      throw ValidationError("--placement: expected --against with a second profile, found none")
    }
    if placement == nil, devices == nil { throw ValidationError("--devices: expected a number of devices, found none") }
    if placement != nil, devices != nil {
      throw ValidationError("--devices: expected the placement to say it, found both; try without --devices")
    }
  }

  func run() throws {
    let first = try ProfileFile.read(profile)
    let progress = LayerProgress("analyze", layers: first.layers.count)
    func run(_ count: Int, _ task: (Int) -> Void) {
      Parallel.run(count) {
        task($0)
        progress.advance()
      }
    }
    guard let against else {
      let analysis = try ProfileAnalysis(first, options, run: run)
      progress.finish()
      return try show(analysis)
    }
    let second = try ProfileFile.read(against)
    if let placement {
      try show(
        PlacementDrift(try Placement(path: placement), before: first, after: second, stepTokens: stepTokens))
    } else {
      let transfer = try ProfileTransfer(first, second, options, run: run)
      progress.finish()
      try show(transfer)
    }
  }

  private var options: AnalysisOptions {
    AnalysisOptions(
      devices: devices ?? 1, method: method,
      placement: PlacementOptions(seed: seed, loadCap: loadCap.value, proposals: proposals), nullDraws: nullDraws,
      nullTokens: nullTokens, stepTokens: stepTokens)
  }
}

extension Analyze {
  private func show(_ analysis: ProfileAnalysis) throws {
    if output.json { return try OutputOptions.print(analysis) }
    var costs = TextTable(heads: [
      "layer", ">devices_per_token", ">contiguous", ">null", ">imbalance_rows", ">contiguous", ">imbalance_wire",
      ">remote_copies", ">intra_share", ">load_entropy",
    ])
    var findings = TextTable(heads: [
      "layer", ">gain", ">null", ">structural", ">±", ">half_to_half", ">correlation", ">last_doubling", ">remaining",
      ">at_most", "verdict",
    ])
    for layer in analysis.layers {
      let (new, old) = (layer.placed, layer.contiguous)
      costs.rows.append(
        ["\(layer.layer)"]
          + [
            new.devicesPerToken, old.devicesPerToken, layer.null?.devicesPerToken.mean, new.imbalanceRows,
            old.imbalanceRows, new.imbalanceWire, new.remoteCopies, new.intraShare, layer.loadEntropy,
          ].map { $0.map { fixed($0) } ?? "" })
      let (null, curve) = (layer.null, layer.learningCurve)
      findings.rows.append(
        ["\(layer.layer)", percent(layer.null?.gain ?? 1 - new.devicesPerToken / old.devicesPerToken)]
          + [
            null?.nullGain.mean, null?.structuralGain.mean, null?.structuralGain.deviation, layer.splitHalf?.agreement,
          ].map(percent) + [layer.splitHalf.map { fixed($0.correlation) } ?? ""]
          + [curve?.lastDoubling, curve?.remaining, curve?.remainingHigh].map(percent) + [
            curve?.verdict.rawValue ?? "profile more"
          ])
    }
    print(costs.text + "\n\n" + findings.text)
    let more = analysis.layers.filter { $0.learningCurve?.verdict != .enough }.count
    print(
      "\n\(profile): \(analysis.method.rawValue) on \(counted(analysis.devices, "device")); remote_copies expected over homes; a "
        + "random choice of experts would use \(fixed(analysis.randomChoice)) devices per token\n"
        + (more == 0
          ? "enough: more text would lower devices_per_token by 1 % at most"
          : "profile more: \(more) of \(counted(analysis.layers.count, "layer")) may still gain over 1 %, or have too little text to tell")
    )
  }

  private func show(_ transfer: ProfileTransfer) throws {
    if output.json { return try OutputOptions.print(transfer) }
    var table = TextTable(heads: [
      "layer", "judged on", ">contiguous", ">own", ">transferred", ">kept", ">imbalance_rows", ">transferred",
      ">correlation", ">load_shift",
    ])
    for layer in transfer.layers {
      for (name, judged) in [(profile, layer.onFirst), (against ?? "", layer.onSecond)] {
        table.rows.append(
          ["\(layer.layer)", name]
            + [judged.contiguous, judged.own, judged.transferred].map { fixed($0.devicesPerToken) }
            + [percent(judged.kept)] + [judged.own, judged.transferred].map { fixed($0.imbalanceRows) }
            + [fixed(layer.correlation), fixed(layer.loadShift)])
      }
    }
    print(table.text)
    print(
      "\ndevices_per_token of placements fitted on the text they are judged on (own) and on the other (transferred); "
        + "kept: the share of the gain over contiguous groups")
  }

  private func show(_ drift: PlacementDrift) throws {
    if output.json { return try OutputOptions.print(drift) }
    var table = TextTable(heads: [
      "layer", ">before", ">after", ">change", ">low", ">high", ">imbalance_rows", ">after", ">intra_share", ">after",
      ">same_experts",
    ])
    for layer in drift.layers {
      let (old, new) = (layer.before, layer.after)
      table.rows.append(
        ["\(layer.layer)"]
          + [
            old.devicesPerToken, new.devicesPerToken, layer.change, layer.low, layer.high, old.imbalanceRows,
            new.imbalanceRows, old.intraShare, new.intraShare,
          ].map { fixed($0) } + [percent(layer.sameExperts)])
    }
    print(table.text)
    print("\ndevices_per_token of one placement on \(profile) and on \(against ?? ""), with 95 % intervals by document")
  }

  private func percent(_ share: Double?) -> String { share.map { fixed($0 * 100, 1) + " %" } ?? "" }
}
