import Collaboration
import ExpertParallel
import Foundation
import Models
import Tensors

/// What several ranks compute together against one process that holds everything; run by `mpirun` from ExpertParallelTests.
///
///     mpirun -n 4 Ranks          every case; one line each on rank 0, exit code 1 if one fails
let communicator: any Communicator = MPICommunicator.isLaunched ? try MPICommunicator() : SingleProcess()
let devices = communicator.size
var failures = 0
/// What had been sent when the case began.
var before = WireTraffic()

@MainActor func report(_ name: String, _ error: Double, limit: Double = 1e-5) {
  // NaN fails.
  let worst = communicator.sum([error.isNaN ? .infinity : 0]).reduce(0, +) + largest(error)
  let passes = worst <= limit
  if !passes { failures += 1 }
  if communicator.rank == 0 { print("\(passes ? "pass" : "FAIL") \(name): \(worst)") }
}

/// The largest of all ranks' numbers.
@MainActor func largest(_ value: Double) -> Double {
  var all = [Double](repeating: 0, count: communicator.size)
  all[communicator.rank] = value
  return communicator.sum(all).max() ?? 0
}

/// max |a − b| / max |b|
func difference(_ a: Tensor, _ b: Tensor) -> Double {
  precondition(a.shape == b.shape, "difference: \(a.shape) against \(b.shape)")
  let (a, b) = (a.elements, b.elements)
  let scale = b.reduce(0) { max($0, abs($1)) }
  let error = zip(a, b).reduce(Float(0)) { worst, pair in
    let error = abs(pair.0 - pair.1)
    return error <= worst ? worst : error
  }
  return Double(error) / Double(max(scale, 1e-6))
}

struct Case {
  var policy = RoutingPolicy.none
  var limit: Int?
  var placement = "contiguous"
  var sequences = [7, 3, 12, 1, 9]
  var options = DispatchOptions()
  var auxiliary = AuxiliaryLoss.hf
  var tolerance = 1e-5

  var name: String {
    "\(policy.rawValue) L=\(limit.map(String.init) ?? "none") \(placement) sequences=\(sequences) "
      + "\(options.mode.rawValue) \(options.wire.rawValue) overlap=\(options.overlaps) aux=\(auxiliary.rawValue)"
  }
}

let configuration = try OLMoE.configuration(
  layers: 2, hidden: 32, heads: 4, experts: 16, intermediate: 24, topK: 4, vocabulary: 64, context: 64)

/// A random model whose routers decide clearly.
@MainActor func makeModel(_ seed: UInt64) -> LanguageModel {
  var model = ModelFamily.random(configuration, seed: seed)
  for index in model.layers.indices {
    guard let weight = model.layers[index].moe?.gate.weight else { continue }
    model.layers[index].moe?.gate.weight = weight * 12
  }
  return model
}

func makeTokens(_ lengths: [Int], seed: UInt64) -> [[Int32]] {
  var generator = SplitMix64(seed: seed)
  return lengths.map { length in (0..<length).map { _ in Int32(generator.below(64)) } }
}

/// The least distance between the k-th and the (k+1)-th probability.
func margin(_ pass: ForwardPass) -> Float {
  var least = Float.infinity
  for layer in pass.routing {
    let (p, experts) = (layer.probabilities.elements, layer.probabilities.columns)
    for token in 0..<layer.probabilities.rows {
      let row = p[token * experts..<(token + 1) * experts].sorted(by: >)
      least = min(least, row[layer.k - 1] - row[layer.k])
    }
  }
  return least
}

@MainActor func makePlacement(_ kind: String) throws -> Placement {
  let base = (0..<16).map { $0 * devices / 16 }
  let expertDevice =
    switch kind {
    case "reversed": base.reversed().map { $0 }
    case "striped": (0..<16).map { $0 % devices }
    default: base
    }
  return try Placement(
    modelType: "olmoe", experts: 16, devices: devices,
    layers: configuration.sparseLayers.map { .init(layer: $0, expertDevice: expertDevice) })
}

/// Loss and gradients of a batch, of which this process has the sequences in `batch`.
func step(
  _ model: LanguageModel, _ batch: [[Int32]], firstTokens: [Int]? = nil, targets count: Int, _ auxiliary: AuxiliaryLoss,
  _ reduction: (any BatchReduction)?
) -> (loss: Double, gradients: Gradients, pass: ForwardPass) {
  let sequences = TokenBatch(sequences: batch)
  let pass = model(
    TokenBatch(tokens: sequences.tokens, segments: sequences.segments, firstTokens: firstTokens))
  let targets = batch.flatMap { $0.dropFirst() + (($0.isEmpty ? [] : [-100]) as [Int32]) }
  let loss =
    model.crossEntropy(pass, targets: targets).sum * Float(1 / Double(count))
    + pass.auxiliaryLoss(auxiliary, over: reduction) * 0.01 + pass.zLoss(over: reduction) * 0.001
  return (Double(loss.scalar), loss.gradients(), pass)
}

/// Bytes passed to MPI against tokens × remote copies × H × size, in every layer and direction, counted from the routing of the
/// whole batch.
@MainActor func reportBytes(_ test: Case, _ placement: Placement, _ pass: ForwardPass, _ tokens: [[Int32]]) {
  let homes = tokens.enumerated().flatMap { index, sequence in sequence.map { _ in index % devices } }
  let size = configuration.hidden * (test.options.wire == .bfloat16 ? 2 : 4)
  var errors = 0.0
  for routing in pass.routing {
    guard let expertDevice = try? placement.expertDevice(layer: routing.layer) else { continue }
    var copies = 0
    for (token, home) in homes.enumerated() {
      let used = routing.used[token * routing.k..<(token + 1) * routing.k].filter { $0 >= 0 }
      let away = used.map { expertDevice[Int($0)] }.filter { $0 != home }
      copies += test.options.mode == .naive ? away.count : Set(away).count
    }
    for direction in [WireTraffic.Direction.dispatch, .combine, .dispatchGradient, .combineGradient] {
      let kind = WireTraffic.Kind(layer: routing.layer, direction: direction, purpose: .rows)
      let sent = communicator.sum([communicator.traffic.bytes[kind, default: 0] - before.bytes[kind, default: 0]])[0]
      errors += Double(abs(sent - copies * size))
    }
  }
  report("bytes     \(test.name)", errors, limit: 0)
}

@MainActor func run(_ test: Case) throws {
  if let limit = test.limit, limit > devices { return }
  let placement = try makePlacement(test.placement)
  let settings = RoutingSettings(placement: placement, policy: test.policy, deviceLimit: test.limit)
  var seed: UInt64 = 1
  var (model, tokens) = (makeModel(seed), makeTokens(test.sequences, seed: seed))
  while margin(model(TokenBatch(sequences: tokens))) < 1e-4 {
    seed += 1
    (model, tokens) = (makeModel(seed), makeTokens(test.sequences, seed: seed))
  }
  try model.apply(settings)
  model.train(Set(Role.allCases))
  let count = tokens.reduce(0) { $0 + max($1.count - 1, 0) }
  let whole = step(model, tokens, targets: count, test.auxiliary, nil)

  var sharded = model.untracked()
  try sharded.shard(placement, over: communicator, options: test.options)
  sharded.train(Set(Role.allCases))
  before = communicator.traffic
  let mine = tokens.enumerated().filter { $0.offset % devices == communicator.rank }.map(\.element)
  let starts = TokenBatch(sequences: tokens).segments.map(\.lowerBound)
  let firsts = starts.enumerated().filter { $0.offset % devices == communicator.rank }.map(\.element)
  let part = step(sharded, mine, firstTokens: firsts, targets: count, test.auxiliary, RankReduction(communicator))
  reportBytes(test, placement, whole.pass, tokens)
  let loss = communicator.sum([part.loss])[0]
  report("loss      \(test.name)", abs(loss - whole.loss) / abs(whole.loss), limit: test.tolerance)

  var expected: [String: Tensor] = [:]
  model.forEachParameter { path, tensor in expected[path.name] = whole.gradients[tensor] }
  var (worst, worstName) = (0.0, "")
  sharded.forEachParameter { path, tensor in
    guard let reference = expected[path.name] else { return }
    let error: Double
    if path.role == .experts {
      guard let layer = configuration.sparseLayers.first(where: { path.name.contains(".layers.\($0).") }) else {
        return
      }
      let own =
        (try? placement.expertDevice(layer: layer)).map { DispatchPlan.experts(of: communicator.rank, $0) } ?? []
      let rows = reference.reshaped([16, reference.count / 16]).gatherRows(own.map(Int32.init))
      let gradient = part.gradients[tensor] ?? Tensor.zeros(tensor.shape)
      error = difference(gradient.reshaped(rows.shape), rows)
    } else {
      let gradient = communicator.sum(part.gradients[tensor] ?? Tensor.zeros(tensor.shape))
      error = difference(gradient, reference)
    }
    if !(error <= worst) { (worst, worstName) = (error, path.name) }
  }
  report("gradients \(test.name) \(worstName)", worst, limit: test.tolerance)
}

var cases: [Case] = []
for policy in RoutingPolicy.allCases where !policy.needsTables {
  for limit in policy == .none ? [nil] : [1, 2] {
    for placement in ["contiguous", "reversed", "striped"] {
      cases.append(Case(policy: policy, limit: limit, placement: placement))
    }
  }
}
for sequences in [[4], [5, 4], [1, 2, 1], [30, 2, 2, 2, 2, 2, 2, 2, 2]] {
  cases.append(Case(policy: .router, limit: 2, placement: "striped", sequences: sequences))
}
for auxiliary in AuxiliaryLoss.allCases { cases.append(Case(auxiliary: auxiliary)) }
cases.append(Case(options: .init(mode: .naive)))
cases.append(Case(options: .init(overlaps: false)))
cases.append(Case(policy: .router, limit: 1, placement: "striped", options: .init(mode: .naive, overlaps: false)))
cases.append(Case(options: .init(wire: .bfloat16), tolerance: 3e-2))
for test in cases { try run(test) }
communicator.barrier()
communicator.finish()
exit(failures == 0 ? 0 : 1)
