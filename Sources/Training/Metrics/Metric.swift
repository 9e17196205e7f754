/// Everything that is measured at a step: one table of names, tags and kinds for all sinks.
///
/// The raw value is the key in `metrics.jsonl`; the declaration order is the order of keys there.
public enum Metric: String, Sendable, CaseIterable {
  /// Tokens trained on so far.
  case tokens
  /// Passes over the training data so far.
  case epoch
  /// What is minimised: cross-entropy plus the weighted other terms.
  case loss
  /// Cross-entropy in nats per counted token.
  case ce
  /// Load-balancing loss, unscaled.
  case aux
  /// Router z-loss, unscaled.
  case z
  /// Collaboration loss, unscaled: expected devices of a token under its router.
  case collaboration
  /// Divergence from the base model's routers, unscaled.
  case distillationRouter = "distillation_router"
  /// Divergence from the base model's predictions, unscaled.
  case distillationLogits = "distillation_logits"
  /// Learning rate.
  case lr
  /// Norm of the whole gradient before clipping.
  case gradNorm = "grad_norm"
  /// Training speed.
  case tokensPerSecond = "tokens_per_second"
  /// Largest resident memory so far, in bytes.
  case peakMemory = "peak_memory"
  /// Seconds since the run, or its resumed part, began.
  case seconds
  /// Mean number of distinct devices that hold the experts of a token.
  case devicesPerToken = "devices_per_token"
  /// The same of the experts that the routers chose, before the limit.
  case chosenDevicesPerToken = "chosen_devices_per_token"
  /// The limit that the step was trained under.
  case deviceLimit = "device_limit"
  /// Mean number of those that are not the token's home.
  case remoteCopies = "remote_copies"
  /// The same for one copy per expert.
  case naiveRemoteCopies = "naive_remote_copies"
  /// Mean number of distinct nodes that hold the experts of a token; only with several nodes, as the two below.
  case nodesPerToken = "nodes_per_token"
  /// Mean number of copies that cross between nodes, one for each node without home's.
  case copiesBetweenNodes = "copies_between_nodes"
  /// Mean number of copies that stay inside a node.
  case copiesInsideNodes = "copies_inside_nodes"
  /// Share of co-activations that stay on one device.
  case intraShare = "intra_share"
  /// Imbalance of expert rows: compute.
  case imbalanceRows = "imbalance_rows"
  /// Imbalance of received rows: wire.
  case imbalanceWire = "imbalance_wire"
  /// Share of the top-k probability that the limit keeps.
  case retainedMass = "retained_mass"
  /// Cross-entropy on validation data.
  case validationCE = "validation_ce"
  /// C_T on validation data.
  case validationDevicesPerToken = "validation_devices_per_token"

  /// TensorBoard's tag; what stands before the slash groups charts.
  public var tag: String {
    switch self {
    case .loss, .ce, .aux, .z, .collaboration, .distillationRouter, .distillationLogits, .lr, .gradNorm, .tokens,
      .epoch:
      "train/\(rawValue)"
    case .tokensPerSecond, .peakMemory, .seconds: "speed/\(rawValue)"
    case .devicesPerToken, .chosenDevicesPerToken, .deviceLimit, .remoteCopies, .naiveRemoteCopies, .nodesPerToken,
      .copiesBetweenNodes, .copiesInsideNodes, .intraShare, .imbalanceRows, .imbalanceWire, .retainedMass:
      "comm/\(rawValue)"
    case .validationCE: "validation/ce"
    case .validationDevicesPerToken: "validation/devices_per_token"
    }
  }

  /// Whether values are whole numbers, written without a point.
  public var isCount: Bool { self == .tokens || self == .peakMemory || self == .deviceLimit }
}

/// Where metrics go. The training loop calls from one thread, once per step; step counts optimizer steps in every sink,
/// and step 0 is the model before training.
///
/// A value that is not finite is left out: a metric that cannot be had is absent, never a string or null. (A run whose
/// loss is not finite stops and says so.)
public protocol MetricSink: AnyObject {
  /// Records the resolved recipe, before the first step.
  func logConfig(_ yaml: String) throws(MetricError)
  /// Records the values of one step, and figures of tasks by name, as `piqa/acc`, where they were scored.
  func log(step: Int, values: [Metric: Double], tasks: [String: Double]) throws(MetricError)
  /// Forces all records to disk: a checkpoint that is on disk finds the records that led to it.
  func sync() throws(MetricError)
  /// Ends the record. Nothing is lost without it.
  func close() throws(MetricError)
}

extension MetricSink {
  /// Nothing, where a record is for looking at.
  public func sync() throws(MetricError) {}

  /// Records the values of a step without tasks.
  public func log(step: Int, values: [Metric: Double]) throws(MetricError) {
    try log(step: step, values: values, tasks: [:])
  }
}

/// A file of metrics that cannot be written or continued.
public enum MetricError: Error, Equatable, CustomStringConvertible {
  /// The system refused; `reason` is its message.
  case file(path: String, action: String, reason: String)

  /// `where: expected …, found …; try …`.
  public var description: String {
    switch self {
    case .file(let path, let action, let reason):
      "\(path): expected to \(action) it, found: \(reason); try another output folder or free some space"
    }
  }
}

/// Several sinks as one. All get every record even if one fails; the first failure is thrown.
public final class MetricSinks: MetricSink {
  private let sinks: [any MetricSink]

  /// Sends every record to each of `sinks` in order.
  public init(_ sinks: [any MetricSink]) {
    self.sinks = sinks
  }

  /// Passes `yaml` on.
  public func logConfig(_ yaml: String) throws(MetricError) {
    try each { sink throws(MetricError) in try sink.logConfig(yaml) }
  }

  /// Passes the values on.
  public func log(step: Int, values: [Metric: Double], tasks: [String: Double]) throws(MetricError) {
    try each { sink throws(MetricError) in try sink.log(step: step, values: values, tasks: tasks) }
  }

  /// Syncs all.
  public func sync() throws(MetricError) { try each { sink throws(MetricError) in try sink.sync() } }

  /// Closes all.
  public func close() throws(MetricError) {
    try each { sink throws(MetricError) in try sink.close() }
  }

  private func each(_ body: (any MetricSink) throws(MetricError) -> Void) throws(MetricError) {
    var failure: MetricError?
    for sink in sinks {
      do {
        try body(sink)
      } catch {
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
  }
}
