internal import Profiles
import ArgumentParser
import Checkpoint
internal import Placements
internal import Routing
import Formats
import Training

/// `occult plan`.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Predict copies, bytes and time of dispatch on a machine, before anyone rents it.",
    discussion: """
      For each number of devices: one copy per expert (naive), one per device (deduplicated), the same with placed experts \
      (placed), and with at most L devices per token (limited, policy router). The model of time and what it leaves out: \
      docs/plan.md.

      Examples:
        occult plan profile.h5 --topology recipes/topologies/nvlink-infiniband.yaml --model olmoe.h5
        occult plan profile.h5 --topology recipes/topologies/pcie.yaml --hidden 2048 --intermediate 1024 --devices 4 8
        occult plan --fit recipes/topologies/occult-paper-points.yaml
        occult plan profile.h5 --fit my-points.yaml
      """)

  @Argument(help: "A profile written by 'occult profile' (.h5).", completion: .file())
  var profile: String?

  @Option(help: "The machine (.yaml), as in recipes/topologies.", completion: .file(extensions: ["yaml", "yml"]))
  var topology: String?

  @Option(
    help:
      "Times measured on your own machine (.yaml), instead of a topology: a fixed time plus a time per copy is fitted.",
    completion: .file(extensions: ["yaml", "yml"]))
  var fit: String?

  @OptionGroup var work: WorkloadOptions

  @Option(parsing: .upToNextOption, help: "Numbers of devices (default: powers of two up to 1024).", transform: count)
  var devices: [Int] = []

  @Option(
    parsing: .upToNextOption,
    help: "Expert-parallel sizes, divisors of the number of experts (default: the largest that fits).", transform: count
  )
  var expertParallel: [Int] = []

  @Option(
    parsing: .upToNextOption, help: "Most devices per token; those a size cannot have are left out. (default: 1, 2, 4)",
    transform: count)
  var deviceLimit: [Int] = [1, 2, 4]

  @Option(help: "A placement to plan with, instead of making one for each size.", completion: .file())
  var placement: String?

  @Option(help: "How experts are placed for each size (default: refined, or load for a profile of loads alone).")
  var method: PlacementMethod?

  @Option(help: "refined: heaviest device at most so many times the mean, or 'none'.")
  var loadCap = LoadCap(value: 1.10)

  @Option(help: "Seed of placements.")
  var seed: UInt64 = 0

  @Option(help: "refined: most swaps looked at in a layer. (default: 50000)", transform: count)
  var proposals = 50_000

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if proposals < 0 { throw ValidationError("--proposals: expected at least 0, found \(proposals)") }
    switch (topology, fit) {
    case (nil, nil): throw ValidationError("plan: expected --topology or --fit, found neither")
    case (.some, .some): throw ValidationError("plan: expected --topology or --fit, found both")
    case (.some, nil) where profile == nil: throw ValidationError("plan: expected a profile, found none")
    case (nil, .some) where !devices.isEmpty || !expertParallel.isEmpty:
      throw ValidationError("--devices: expected a topology to plan for, found --fit, which knows one machine")
    default: break
    }
  }

  func run() throws {
    for limit in deviceLimit where limit < 1 { throw PlanError.deviceLimit(found: limit) }
    if let fit { return try runFit(fit) }
    let profile = try ProfileFile.read(profile ?? "")
    let machine = try Topology.load(topology ?? "")
    let source = try PlacementSource(self, profile: profile, nodeCost: machine.nodeCost)
    let sizes = try Plan.sizes(
      experts: profile.experts, topology: machine, devices: devices,
      expertParallel: source.devices.map { expertParallel.isEmpty ? [$0] : expertParallel } ?? expertParallel)
    let plan = try Plan(
      profile, topology: machine, workload: try work.workload(for: profile), sizes: sizes,
      limits: Set(deviceLimit).sorted(), place: source.place)
    if output.json { return try OutputOptions.print(plan) }
    print(PlanTable.text(plan))
    if !profile.hasSets {
      print(
        wrapped(
          "\(self.profile ?? "") has loads alone: which experts a token uses together is not known, and so neither are "
            + "deduplicated, placed and limited dispatch; a profile of a model on text, or of recorded routing, tells.",
          at: 120))
    }
  }

  private func runFit(_ path: String) throws {
    let measured = try MeasuredPoints.load(path)
    let report = try FitReport(measured, rows: try profile.map { try rows($0, devices: measured.devices) } ?? [])
    if output.json { return try OutputOptions.print(report) }
    print(PlanTable.text(report))
  }

  /// C_T of each way to send at the measured number of devices.
  private func rows(_ path: String, devices: Int) throws -> [(dispatch: String, copies: Double)] {
    let profile = try ProfileFile.read(path)
    let source = try PlacementSource(self, profile: profile, nodeCost: 0)
    // Times do not enter: any machine whose node holds all devices gives the copies.
    let machine = Topology(
      name: path, devicesPerNode: devices, inside: .init(latency: 0, bandwidth: 1), between: nil, flops: 1)
    let sizes = try Plan.sizes(
      experts: profile.experts, topology: machine, devices: [devices], expertParallel: [devices])
    let plan = try Plan(
      profile, topology: machine, workload: Workload(tokens: 1, hidden: 1, intermediate: 1), sizes: sizes,
      limits: Set(deviceLimit).sorted(), place: source.place)
    return plan.rows.map { (PlanTable.name(of: $0), $0.mean.copies) }
  }
}

/// Where a plan's placements come from: a file, or a method for each size.
private struct PlacementSource {
  /// D of the file, `nil` without one.
  let devices: Int?
  let place: (_ devices: Int, _ nodes: Int) throws -> [[Int]]

  init(_ command: PlanCommand, profile: CollaborationProfile, nodeCost: Double) throws {
    guard let path = command.placement else {
      devices = nil
      let options = PlacementOptions(
        seed: command.seed, loadCap: command.loadCap.value, proposals: command.proposals)
      let method = command.method ?? (profile.hasSets ? .refined : .load)
      place = { devices, nodes in
        let line = ProgressLine(label: "place on \(devices)", total: profile.layers.count, unit: "layers")
        defer { line.finish() }
        return try profile.layers.enumerated().map { index, layer in
          let placement = try method.place(
            layer, nodes: nodeCost > 0 ? nodes : 1, devices: devices, nodeCost: nodeCost, options: options)
          line.update(index + 1)
          return placement
        }
      }
      return
    }
    let file = try Placement(path: path)
    guard file.experts == profile.experts else {
      throw PlacementError.model(file: path, expected: profile.experts, found: file.experts)
    }
    let layers = try profile.layers.map { try file.expertDevice(layer: $0.layer, file: path) }
    devices = file.devices
    place = { devices, _ in
      guard devices == file.devices else {
        throw PlanError.placement(file: path, expected: "\(counted(devices, "device"))", found: "\(file.devices)")
      }
      return layers
    }
  }
}

/// What `--fit` prints.
struct FitReport: Encodable {
  struct Row: Encodable {
    let dispatch: String
    let copies: Double
    let seconds: Double
    let extrapolated: Bool
  }

  let name: String
  let devices: Int
  let fit: MeasuredTime
  let check: [MeasuredTime.Check]
  let predicted: [Row]

  init(_ measured: MeasuredPoints, rows: [(dispatch: String, copies: Double)]) throws(PlanError) {
    let fit = try MeasuredTime(measured.points)
    name = measured.name
    devices = measured.devices
    check = fit.check(measured.check)
    predicted = rows.map {
      Row(
        dispatch: $0.dispatch, copies: $0.copies, seconds: fit.seconds($0.copies),
        extrapolated: fit.isExtrapolated($0.copies))
    }
    self.fit = fit
  }
}
