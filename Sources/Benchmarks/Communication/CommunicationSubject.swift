internal import Formats
internal import Placements
internal import Profiles
internal import Routing
internal import ExpertParallel
internal import Models
internal import Tensors
internal import Text
internal import Training

/// One variant under measurement: a layer, and the model of its whole step.
struct CommunicationSubject {
  let variant: CommunicationBenchmark.Variant
  /// π
  let expertDevice: [Int]
  private let benchmark: CommunicationBenchmark
  private let wire: RehearsedCommunicator
  private let counted: CommunicationStatistics
  private let trips: RowTrips
  private let layer: MoELayer
  /// The same outside the graph.
  private let frozen: MoELayer
  private let x: Tensor
  private let batch: Batch
  private var model: LanguageModel?
  private var optimizer = AdamW(learningRate: 1e-5)
  private var sent = ExpertParallel.WireTraffic()
  private var times: [CommunicationBenchmark.Measure: [Double]] = [:]
  private var rehearsals: [CommunicationBenchmark.Measure: [Double]] = [:]

  /// `logits` are those of all ranks' tokens, rank by rank, `[D · tokens, E]`.
  init(
    _ benchmark: CommunicationBenchmark, _ profile: LayerProfile, _ variant: CommunicationBenchmark.Variant,
    _ expertDevice: [Int], _ logits: [Float], over wire: RehearsedCommunicator
  ) throws {
    (self.benchmark, self.variant, self.expertDevice, self.wire) = (benchmark, variant, expertDevice, wire)
    let (devices, tokens, experts) = (wire.size, benchmark.tokens, profile.experts)
    let rule = try RoutingRule(
      experts: experts, topK: profile.topK, placement: expertDevice, devices: devices,
      policy: variant.limit == nil ? .none : .router, deviceLimit: variant.limit)
    let (chosen, used, _) = rule.route(Tensor(logits, shape: [devices * tokens, experts]).softmax().elements)
    counted = Self.count(chosen, used, rule, tokens: tokens, nodes: variant.nodes)
    trips = RowTrips(
      used, rule, mode: variant.mode, isLayered: variant.nodes > 1,
      NodeLayout(devices: devices, nodes: benchmark.nodes), tokens: tokens)

    var shape = BenchmarkShape()
    (shape.layers, shape.hidden, shape.heads) = (benchmark.layers, benchmark.hidden, benchmark.heads)
    (shape.experts, shape.topK, shape.intermediate) = (experts, profile.topK, benchmark.intermediate)
    (shape.vocabulary, shape.sequence, shape.batch) = (benchmark.vocabulary, tokens, devices)
    let documents = shape.tokens(tokens, seed: benchmark.seed).enumerated().map { id, tokens in
      [TokenizedDocument(tokens: tokens, hasLoss: tokens.map { _ in true }, id: id, source: "random")]
    }
    batch = Batch(sequences: documents)
    var model = try shape.model(seed: benchmark.seed)
    var options = benchmark.options
    (options.mode, options.nodes, options.overlaps) = (variant.mode, variant.nodes, variant.overlaps)
    try model.shard(
      Placement(
        modelType: nil, experts: experts, devices: devices,
        layers: (0..<shape.layers).map { .init(layer: $0, expertDevice: expertDevice) }),
      over: wire, options: options)
    model.train([.experts, .router])
    let own = logits[wire.rank * tokens * experts..<(wire.rank + 1) * tokens * experts]
    let replayed = Tensor(Array(own), shape: [tokens, experts])
    for index in model.layers.indices {
      guard let moe = model.layers[index].moe, let sharded = moe.execution as? ShardedExperts else { continue }
      model.layers[index].moe?.execution = ReplayedExperts(
        sharded: sharded, logits: replayed, rule: rule, weighting: moe.weighting)
    }
    guard let layer = model.layers[0].moe else { preconditionFailure("CommunicationSubject: the layer is sparse") }
    (self.layer, frozen) = (layer, layer.untracked())
    var generator = SplitMix64(seed: benchmark.seed &+ UInt64(wire.rank))
    x = Tensor(
      (0..<tokens * shape.hidden).map { _ in Float(generator.below(2001)) / 1000 - 1 }, shape: [tokens, shape.hidden])
    if measures.contains(.step) { self.model = model }
  }

  private var measures: [CommunicationBenchmark.Measure] {
    benchmark.measures.filter { variant.isHeadline || $0 != .step }
  }

  /// Copies and imbalance of all ranks' tokens, from their sets alone.
  private static func count(
    _ chosen: [Int32], _ used: [Int32], _ rule: RoutingRule, tokens: Int, nodes: Int
  ) -> CommunicationStatistics {
    var counter = CommunicationCounter(
      devices: rule.devices, topK: rule.topK, placements: [rule.placement], home: .known, nodes: nodes)
    let homes = (0..<rule.devices).flatMap { [Int32](repeating: Int32($0), count: tokens) }
    counter.add(layer: 0, chosen: chosen, used: used, homes: homes)
    return counter.statistics()
  }

  // MARK: Runs

  /// Runs everything once, counts the bytes of one layer, and keeps what arrives.
  mutating func record(run index: Int) throws {
    let before = wire.traffic
    try perform(.backward)
    sent = wire.traffic.since(before)
    for measure in measures {
      try wire.run(.recording(Self.number(index, measure))) { try perform(measure) }
    }
  }

  /// Times everything once, with the wire and without.
  mutating func time(run index: Int) throws {
    for measure in measures {
      times[measure, default: []].append(try seconds(.live, measure))
      rehearsals[measure, default: []].append(try seconds(.rehearsing(Self.number(index, measure)), measure))
    }
  }

  private static func number(_ index: Int, _ measure: CommunicationBenchmark.Measure) -> Int {
    index * 3 + (measure == .forward ? 0 : measure == .backward ? 1 : 2)
  }

  private mutating func seconds(
    _ mode: RehearsedCommunicator.Mode, _ measure: CommunicationBenchmark.Measure
  ) throws -> Double {
    wire.barrier()
    let begun = Clock.monotonic()
    try wire.run(mode) { try perform(measure) }
    return Clock.monotonic() - begun
  }

  private mutating func perform(_ measure: CommunicationBenchmark.Measure) throws {
    switch measure {
    case .forward: _ = frozen(x)
    case .backward:
      let y = layer(x.tracked()).y
      _ = (y * y).sum().gradients()
    case .step:
      guard var model else { return }
      self.model = nil  // held once, so that the optimizer writes in place
      let step = TrainingStep(terms: LossTerms(auxiliary: .hf, auxiliaryCoefficient: 0.01), ranks: wire)
      let gradients = try step(model, [batch], step: 1).gradients
      optimizer.update(&model, gradients)
      self.model = model
    }
  }

  // MARK: Result

  /// What came of it; collective.
  func result(over ranks: any Communicator) -> CommunicationReport.Row {
    let rowBytes = benchmark.hidden * (benchmark.options.wire == .float32 ? 4 : 2)
    let tokens = Double(wire.size * benchmark.tokens)
    var row = CommunicationReport.Row(
      name: variant.name, dispatch: variant.mode.rawValue, placement: variant.placement.rawValue,
      deviceLimit: variant.limit, nodes: variant.nodes, overlap: variant.overlaps,
      devicesPerToken: counted.devicesPerToken, remoteCopies: Double(trips.all) / tokens,
      copiesBetweenNodes: Double(trips.between) / tokens,
      busiestCopies: Double(trips.busiest) / Double(benchmark.tokens), imbalanceRows: counted.imbalanceRows,
      imbalanceWire: counted.imbalanceWire, formulaBytes: trips.all * rowBytes,
      formulaBytesBetween: trips.between * rowBytes)
    row.isFitted = variant.isFitted
    let layout = NodeLayout(devices: wire.size, nodes: benchmark.nodes)
    let node = layout.members(of: layout.node(of: wire.rank))
    for direction in ExpertParallel.WireTraffic.Direction.allCases where direction != .none {
      for purpose in [ExpertParallel.WireTraffic.Purpose.rows, .metadata] {
        func isMeant(_ kind: ExpertParallel.WireTraffic.Kind) -> Bool {
          kind.layer == 0 && kind.direction == direction && kind.purpose == purpose
        }
        let (all, inside) = (sent.total(where: isMeant), sent.total(to: node, where: isMeant))
        let sums = ranks.sum([all, all - inside])
        row.bytes[direction.rawValue, default: [:]][purpose.rawValue] = sums[0]
        row.bytesBetween[direction.rawValue, default: [:]][purpose.rawValue] = sums[1]
      }
    }
    for measure in measures {
      row.times[measure.rawValue] = CommunicationReport.Time(
        slowest(times[measure] ?? [], ranks), without: slowest(rehearsals[measure] ?? [], ranks))
    }
    return row
  }

  /// Each round's time on its slowest rank.
  private func slowest(_ seconds: [Double], _ ranks: any Communicator) -> [Double] {
    let all = ranks.exchange(Array(repeating: seconds, count: ranks.size), .init(purpose: .scalars))
    return seconds.indices.map { round in all.reduce(0) { max($0, $1[round]) } }
  }
}
