import Placements
import ExpertParallel
import Models
import Tensors

/// Runs cases on all ranks and reports on the first.
struct Checker {
  let communicator: any Communicator
  let subject: Subject
  private(set) var failures = 0

  init(_ communicator: any Communicator) throws {
    self.communicator = communicator
    subject = try Subject(devices: communicator.size)
  }

  private var devices: Int { communicator.size }

  /// One line: the largest error of all ranks; NaN fails.
  private mutating func report(_ what: String, _ test: Case, _ error: Double, limit: Double = 1e-5) {
    var errors = [Double](repeating: 0, count: devices)
    errors[communicator.rank] = error.isNaN ? .infinity : error
    let worst = communicator.sum(errors).max() ?? .infinity
    if !(worst <= limit) { failures += 1 }
    if communicator.rank == 0 { print("\(worst <= limit ? "pass" : "FAIL") \(what) \(test.name): \(worst)") }
  }

  mutating func run(_ test: Case) throws {
    let placement = try subject.placement(test.placement)
    var (seed, tokens): (UInt64, [[Int32]]) = (0, [])
    var model: LanguageModel
    repeat {
      seed += 1
      (model, tokens) = (subject.model(seed), subject.tokens(test.sequences, seed: seed))
      if let adapted = test.adapted { subject.adapt(&model, adapted) }
      try model.apply(try subject.settings(test, placement, model))
    } while margin(model(TokenBatch(sequences: tokens))) < 1e-4
    model.train(Set(Role.allCases))
    let count = tokens.reduce(0) { $0 + max($1.count - 1, 0) }
    let whole = subject.step(model, tokens, targets: count, test.auxiliary, nil)
    report("margin   ", test, margin(whole.pass) >= 1e-4 ? 0 : 1, limit: 0)
    if test.sequences == [4] {
      let isIdle = whole.pass.routing.allSatisfy { routing in Set(routing.used.filter { $0 >= 0 }).count < 16 }
      report("idle     ", test, isIdle ? 0 : 1, limit: 0)
    }

    var sharded = model.untracked()
    try sharded.shard(placement, over: communicator, options: test.options)
    sharded.train(Set(Role.allCases))
    let before = communicator.traffic
    let (rank, devices) = (communicator.rank, devices)
    let starts = TokenBatch(sequences: tokens).segments.map(\.lowerBound)
    let mine = tokens.indices.filter { $0 % devices == rank }
    let part = subject.step(
      sharded, mine.map { tokens[$0] }, firstTokens: mine.map { starts[$0] }, targets: count, test.auxiliary,
      RankReduction(communicator))
    let sent = communicator.traffic.since(before)
    report("bytes    ", test, byteErrors(test, placement, whole.pass, tokens, sent), limit: 0)
    let loss = communicator.sum([part.loss])[0]
    report("loss     ", test, abs(loss - whole.loss) / abs(whole.loss), limit: test.tolerance)
    let (worst, name) = gradientErrors(test, placement, (model, whole.gradients), (sharded, part.gradients))
    report("gradients (\(name))", test, worst, limit: test.tolerance)
  }

  /// The worst of all parameters, and which that is on this rank: of what every rank has, the sum over ranks; of
  /// experts, this rank's.
  private func gradientErrors(
    _ test: Case, _ placement: Placement, _ whole: (model: LanguageModel, gradients: Gradients),
    _ part: (model: LanguageModel, gradients: Gradients)
  ) -> (error: Double, parameter: String) {
    var expected: [String: Tensor] = [:]
    whole.model.forEachParameter { path, tensor in expected[path.name] = whole.gradients[tensor] }
    var (worst, name) = (0.0, "")
    part.model.forEachParameter { path, tensor in
      guard let reference = expected[path.name] else { return }
      let gradient = part.gradients[tensor] ?? Tensor.zeros(tensor.shape)
      let error: Double
      if path.role == .experts {
        let layer = subject.configuration.sparseLayers.first { path.name.contains(".layers.\($0).") } ?? 0
        let expertDevice = (try? placement.expertDevice(layer: layer)) ?? []
        let experts = path.isAdapter ? test.adapted ?? [] : Array(0..<16)
        let own = experts.indices.filter { expertDevice[experts[$0]] == communicator.rank }
        let rows = reference.reshaped([experts.count, reference.count / experts.count]).gatherRows(own.map(Int32.init))
        error = difference(gradient.reshaped(rows.shape), rows)
      } else {
        error = difference(communicator.sum(gradient), reference)
      }
      if !(error <= worst) { name = path.name }
      worst = worse(worst, error)
    }
    return (worst, name)
  }
}
