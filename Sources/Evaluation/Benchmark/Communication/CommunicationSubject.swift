internal import Collaboration
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
  /// Copies of rows for one link, if all links had as many as the busiest.
  private let busiest: Double
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
    counted = Self.count(chosen, used, rule, tokens: tokens)
    busiest = Self.busiest(used, rule, variant.mode, tokens: tokens)

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
    options.mode = variant.mode
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
    _ chosen: [Int32], _ used: [Int32], _ rule: RoutingRule, tokens: Int
  ) -> CommunicationStatistics {
    var counter = CommunicationCounter(
      devices: rule.devices, topK: rule.topK, placements: [rule.placement], home: .known)
    let homes = (0..<rule.devices).flatMap { [Int32](repeating: Int32($0), count: tokens) }
    counter.add(layer: 0, chosen: chosen, used: used, homes: homes)
    return counter.statistics()
  }

  /// Rows out of or into the busiest rank, per token of one rank.
  private static func busiest(_ used: [Int32], _ rule: RoutingRule, _ mode: DispatchPlan.Mode, tokens: Int) -> Double {
    var (leaving, arriving) = ([Int](repeating: 0, count: rule.devices), [Int](repeating: 0, count: rule.devices))
    for token in 0..<used.count / rule.topK {
      let home = token / tokens
      let away = used[token * rule.topK..<(token + 1) * rule.topK].filter { $0 >= 0 }
        .map { rule.placement[Int($0)] }.filter { $0 != home }
      for device in mode == .naive ? away : Array(Set(away)) {
        leaving[home] += 1
        arriving[device] += 1
      }
    }
    return Double((leaving + arriving).max() ?? 0) / Double(tokens)
  }

  // MARK: Runs

  /// Runs everything once, counts the bytes of one layer, and keeps what arrives.
  mutating func record(run index: Int) throws {
    let before = wire.traffic.bytes
    try perform(.backward)
    for (kind, bytes) in wire.traffic.bytes { sent.add(bytes - before[kind, default: 0], kind) }
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
    let naive = variant.mode == .naive
    let copies = naive ? counted.naiveRemoteCopies : counted.remoteCopies
    let rowBytes = benchmark.hidden * (benchmark.options.wire == .float32 ? 4 : 2)
    var row = CommunicationReport.Row(
      name: variant.name, dispatch: variant.mode.rawValue, placement: variant.placement.rawValue,
      deviceLimit: variant.limit, devicesPerToken: counted.devicesPerToken, remoteCopies: copies,
      busiestCopies: busiest,
      imbalanceRows: counted.imbalanceRows, imbalanceWire: counted.imbalanceWire,
      formulaBytes: Int((copies * Double(wire.size * benchmark.tokens)).rounded()) * rowBytes)
    for direction in ExpertParallel.WireTraffic.Direction.allCases where direction != .none {
      for purpose in [ExpertParallel.WireTraffic.Purpose.rows, .metadata] {
        let bytes = sent.total { $0.layer == 0 && $0.direction == direction && $0.purpose == purpose }
        row.bytes[direction.rawValue, default: [:]][purpose.rawValue] = ranks.sum([bytes])[0]
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
