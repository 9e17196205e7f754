internal import Host
internal import Files
import Checkpoint
internal import Placements
import Evaluation
import Formats
import Foundation
import Models
import Tensors
import Training

/// What `occult finetune` prints about a run before and after it.
struct FinetuneReport {
  let run: RunPreparation

  /// The model, its parameters by role, the data.
  var sizes: String {
    let c = run.base.configuration
    let heading =
      "\(run.recipe.model): \(c.modelType), \(counted(c.layers, "layer")), hidden \(c.hidden), \(counted(c.experts, "expert")) of width "
      + "\(c.intermediate), top \(c.topK)"
    let roles = run.roles
    var table = TextTable(heads: ["role", ">parameters", ">trained", "how"])
    table.rows = roles.map { [$0.role.rawValue, "\($0.parameters)", "\($0.trained)", $0.how] }
    table.rows.append([
      "all", "\(roles.reduce(0) { $0 + $1.parameters })", "\(roles.reduce(0) { $0 + $1.trained })", "",
    ])
    let data = run.data.reports.map { part, report in "\(part): \(report)" }.joined(separator: "\n")
    let split = "train: \(counted(run.data.train.count, "document")), validation: \(run.data.validation.count)"
    return [heading, table.text, data + "\n" + split].joined(separator: "\n\n")
  }

  /// The placement with what the profile promises, and the limit.
  func placement(_ routing: RoutingSettings) -> String {
    var lines: [String] = []
    let name =
      switch run.recipe.routing.placement {
      case .method(let method): method.rawValue
      case .file(let path): path
      }
    if let mean = routing.placement.meanPrediction {
      let predictions = routing.placement.layers.compactMap(\.predicted)
      func row(_ label: String, _ p: Prediction) -> [String] {
        [label] + [p.devicesPerToken, p.imbalance, p.remoteCopies, p.intraShare].map { fixed($0) }
      }
      var table = TextTable(
        heads: ["layer", ">devices_per_token", ">imbalance", ">remote_copies", ">intra_share"],
        rows: zip(routing.placement.layers, predictions).map { row("\($0.layer)", $1) })
      table.rows.append(row("mean", mean))
      lines += [
        "placement \(name) on \(counted(routing.placement.devices, "device")), predicted without a limit:", table.text,
      ]
    } else {
      lines.append("placement \(name) on \(counted(routing.placement.devices, "device"))")
    }
    if let between = routing.placement.meanNodePrediction {
      lines.append(
        "\(counted(routing.placement.nodes, "node")): nodes_per_token \(fixed(between.nodesPerToken)), "
          + "copies_between_nodes \(fixed(between.remoteCopies)), imbalance \(fixed(between.imbalance))")
    }
    return (lines + [limit]).joined(separator: "\n")
  }

  /// What a budget of devices was spent on.
  func limits(_ result: LimitSearch.Result) -> String {
    var table = TextTable(heads: ["layer", ">device_limit", ">devices_per_token", ">loss alone"])
    for (curve, limit) in zip(result.curves, result.allocation.limits) {
      guard let point = curve.points.first(where: { $0.limit == limit }), let free = curve.points.last else { continue }
      table.rows.append(["\(curve.layer)", "\(limit)", fixed(point.devices), signed(point.loss - free.loss)])
    }
    table.rows.append(["mean, sum", "", fixed(result.allocation.devices), signed(result.allocation.increase)])
    return "limits chosen on profile text:\n" + table.text
  }

  private func signed(_ value: Double) -> String { (value < 0 ? "" : "+") + fixed(value, 4) }

  private var limit: String {
    let routing = run.recipe.routing
    if let budget = routing.limitBudget {
      return "device_limit auto, \(budget) of \(routing.devices) on average, policy \(routing.policy.rawValue)"
    }
    if let limits = routing.layerLimits {
      return "device_limit \(limits.map(String.init).joined(separator: ", ")) of \(routing.devices), policy "
        + routing.policy.rawValue
    }
    guard let limit = routing.deviceLimit, !run.rule.isUnpruned else {
      return "device_limit \(routing.deviceLimit.map { "\($0)" } ?? "none") of \(routing.devices): unpruned"
    }
    return "device_limit \(limit) of \(routing.devices), policy \(routing.policy.rawValue), choice_ratio "
      + fixed(run.rule.choiceRatio, 2) + (run.rule.isDegenerate ? ": degenerate" : "") + stages
  }

  private var stages: String {
    guard run.recipe.routing.deviceLimitSchedule != nil else { return "" }
    return "\ndevice_limit_schedule: "
      + run.recipe.routing.limitStages.map { "\($0.limit) from step \($0.step + 1)" }.joined(separator: ", ")
  }

  /// How many steps, in which order, to where.
  func schedule(_ tuning: FineTuning) -> String {
    "\(counted(tuning.steps, "step")), batch order \(tuning.batchOrder), into \(run.folder.path)"
  }

  /// What came of it.
  func result(_ summary: RunSummary) -> String {
    let loss = summary.validationLoss.map { ", validation loss \(fixed($0, 4))" } ?? ""
    let devices = summary.devicesPerToken.map { "\ndevices_per_token \(fixed($0)) under the rule" } ?? ""
    let off = summary.devicesPerTokenUnlimited.map { ", \(fixed($0)) with the rule off" } ?? ""
    let best = summary.bestStep.map { ", the best, of step \($0)" } ?? ""
    let early = summary.stoppedEarly == true ? ", stopped early: validation made no progress" : ""
    return
      "\(run.folder.final): \(counted(summary.steps, "step"))\(early), \(counted(summary.tokens, "token"))\(loss)\(best), "
      + "\(ProgressLine.duration(summary.seconds)), peak memory \(ByteSize.words(summary.peakMemory))"
      + devices + off + ranks(summary)
  }

  /// Memory of each rank, and what they sent; nothing in one process.
  private func ranks(_ summary: RunSummary) -> String {
    guard let memory = summary.rankMemory else { return "" }
    let levels = [("inside nodes", RunSummary.insideNodes), ("between nodes", RunSummary.betweenNodes)]
    let sent = levels.compactMap { words, level -> String? in
      guard let purposes = summary.sentBytes?[level] else { return nil }
      let parts = purposes.filter { $0.value > 0 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      let place = summary.sentBytes?.count == 1 ? "" : " " + words
      return "\nsent\(place): \(ByteSize.words(purposes.values.reduce(0, +))) ("
        + parts.map { "\($0.key) \(ByteSize.words($0.value))" }.joined(separator: ", ") + ")"
    }
    return "\npeak memory by rank: " + memory.map(ByteSize.words).joined(separator: ", ") + sent.joined()
  }
}

/// What `occult finetune --dry-run` prints.
struct DryRun: Encodable {
  let estimate: RunEstimate
  let trainedParameters: [String: Int]
  let frozenParameters: [String: Int]
  let operationsPerSecond: Double
  let machineLoad: MachineLoad
  let seconds: Double
  let memoryBytes: Int
  let rate: ProductRate.Measurement

  private enum CodingKeys: String, CodingKey {
    case estimate, trainedParameters, frozenParameters, operationsPerSecond, machineLoad, seconds, memoryBytes
  }

  init(run: RunPreparation, estimate: RunEstimate, rate: ProductRate.Measurement) {
    (self.estimate, self.rate) = (estimate, rate)
    (operationsPerSecond, machineLoad) = (rate.rate, rate.load)
    let roles = run.roles
    trainedParameters = roles.filter { $0.trained > 0 }.reduce(into: [:]) { $0[$1.role.rawValue] = $1.trained }
    frozenParameters = roles.filter { $0.frozen > 0 }.reduce(into: [:]) { $0[$1.role.rawValue] = $1.frozen }
    seconds = estimate.seconds(operationsPerSecond: operationsPerSecond)
    memoryBytes = estimate.memoryBytes
  }

  var text: String {
    var memory = TextTable(heads: ["memory", ">bytes", ""])
    memory.rows = estimate.memory.map { [$0.name, "\($0.bytes)", ByteSize.words($0.bytes)] }
    memory.rows.append(["all", "\(memoryBytes)", ByteSize.words(memoryBytes)])
    let wire = estimate.wire
    var exchange = TextTable(heads: ["between devices, a step", ">copies a token", ">bytes", ""])
    for (name, copies, bytes) in [
      ("one copy a device", wire.remoteCopies, wire.bytesPerStep),
      ("one copy an expert", wire.naiveRemoteCopies, wire.naiveBytesPerStep),
    ] {
      exchange.rows.append([name, fixed(copies), "\(Int(bytes))", ByteSize.words(Int(bytes))])
    }
    let devices = estimate.devices
    let ranks = "under mpirun -n \(devices): about \(ByteSize.words(estimate.rankMemoryBytes)) on each rank"
    return [
      memory.text + (devices > 1 ? "\n" + ranks : ""),
      "devices_per_token \(fixed(wire.devicesPerToken)) (\(wire.basis)); imbalance is known once text is profiled\n"
        + exchange.text,
      "\(counted(estimate.steps, "step")) of \(counted(Int(estimate.tokensPerStep), "token")), \(counted(estimate.tokens, "token")) in all",
      "about \(ProgressLine.durationWithUnits(seconds)) here: \(fixed(estimate.operations / 1e12, 2)) TFLOP at "
        + "\(fixed(ProductRate.efficiency * operationsPerSecond / 1e9, 1)) GFLOP/s",
    ].joined(separator: "\n\n")
  }
}
