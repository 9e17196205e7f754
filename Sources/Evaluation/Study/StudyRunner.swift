internal import Checkpoint
internal import Placements
internal import Profiles
public import ExpertParallel
internal import Formats
internal import Foundation
internal import Models
internal import Tensors
internal import Text
public import Training

/// A whole study: profile, placement with its proof, fine-tuning of every arm, the matrix of arms and limits, comparison.
///
/// Every result is kept under a key of all that it depends on (recipe, weights, data, placement, program), so the same
/// command redoes only what changed, and an interrupted study goes on.
public struct StudyRunner {
  /// What the study tells while it runs.
  public struct Console {
    /// A line about a stage that begins or ended.
    public var say: (String) -> Void
    /// A progress line of its own.
    public var progress: (_ label: String, _ total: Int, _ unit: String) -> ProgressLine
    /// Whether a signal asked to stop.
    public var isStopRequested: () -> Bool

    /// A console; see the properties.
    public init(
      say: @escaping (String) -> Void, progress: @escaping (String, Int, String) -> ProgressLine,
      isStopRequested: @escaping () -> Bool
    ) {
      (self.say, self.progress, self.isStopRequested) = (say, progress, isStopRequested)
    }
  }

  let recipe: Recipe
  /// At least one; each is shared by all arms. The first stands for the study where one is needed.
  let seeds: [Int]
  /// The rules of the arms and of `study.rules`, each once.
  let rules: [StudyRule]
  let folder: StudyFolder
  let program: String
  let console: Console
  let base: ModelFiles
  /// All of the base model, on the first rank.
  private let whole: LanguageModel?
  /// The processes of the study: one, or one a device.
  let ranks: any Communicator
  let data: TrainingData
  /// What all arms are asked beside their losses; nil for nothing.
  let tasks: TaskSuite?
  /// Depends on program, weights and all tokens.
  let baseKey: CacheKey

  /// Tokens on which the placement's proof compares logits.
  static let proofTokens = 2_048

  /// Opens the model and reads the data; everything that can be wrong is found here, before any work.
  ///
  /// - Parameters:
  ///   - recipe: A recipe with a `study` section.
  ///   - program: Name and version of the program.
  ///   - console: Where the study tells what it does.
  ///   - ranks: The processes of the study: one, or one a device; all of them see the output folder.
  /// - Throws: What is wrong with model, data or routing.
  public init(
    _ recipe: Recipe, program: String, console: Console, ranks: any Communicator = SingleProcess()
  ) throws {
    self.ranks = ranks
    let here = ranks.ranksHere()
    var recipe = recipe
    seeds = recipe.study.seeds.isEmpty ? [recipe.run.seed] : recipe.study.seeds
    recipe.run.seed = seeds[0]
    (self.recipe, self.program, self.console) = (recipe, program, console)
    folder = StudyFolder(path: recipe.output, isWriter: ranks.rank == 0)
    base = try ModelFiles(opening: recipe.model)
    let (tokenizer, end) = try TrainingData.tokenizer(of: base)
    data = try TrainingData(
      recipe, tokenizer: tokenizer, endOfSequence: end, parts: [.training, .evaluation, .profile]
    ).thinned(to: recipe.study.documents)
    if recipe.study.learningRates.count > 1, data.validation.isEmpty { throw StudyError.noValidation }
    for arm in recipe.study.arms {
      let run = try RunPreparation(try recipe.arm(arm.name), base: base, data: data)
      try run.checkMemory(Memory.limits, ranks: ranks.size, here: here)
    }
    rules = try StudyRule.all(of: recipe, base.configuration)
    tasks = try TaskSuite(recipe, base)
    whole = ranks.rank == 0 ? try base.model() : nil
    baseKey = CacheKey(program, String(try base.checksum()), Self.hash([data.test, data.retention, data.profile]))
  }

  /// Runs what is not done yet.
  ///
  /// - Parameter overwrite: Whether an earlier study in the folder is removed first.
  /// - Returns: The comparison, and that of the recipe's tasks, with all files written; nil on ranks other than the first.
  /// - Throws: What went wrong; ``StudyError/stopped(after:)`` after a signal.
  public func run(overwrite: Bool = false) throws -> (comparison: Comparison, tasks: QualityComparison?)? {
    let began = Clock.monotonic()
    let claim = try folder.claim(overwrite: overwrite, program: program)
    defer { withExtendedLifetime(claim) {} }
    ranks.barrier()
    guard let whole else {
      let ground = try StudyGround(nil, nil, rules: rules, ranks, base.configuration) { _ in
        preconditionFailure("StudyRunner: rules are made on the first rank")
      }
      _ = try trained(ground)
      _ = try measured(ArmRun.base, ground) { try loaded(base, ground) }
      return nil
    }
    try folder.write(recipe.yaml(), to: folder.recipe)
    for note in data.notes { console.say("note: \(note)") }
    for (part, report) in data.reports { console.say("\(part): \(report)") }

    let profile = try profiled(whole)
    try ProfileFile.write(profile, to: folder.profile, program: program)
    let placement = try RoutingPlan.placement(recipe, whole) { profile }
    try folder.write(placement.json, to: folder.placement)
    let contiguous = try Placement(profile, devices: placement.devices, method: .contiguous)
    describe(placement, against: contiguous)
    let difference = try PlacementProof.largestDifference(whole, placement, documents: proofDocuments)
    console.say("moving the experts to their devices changes logits by at most \(difference)")

    let ground = try StudyGround(profile, placement, rules: rules, ranks, base.configuration) {
      try settings($0, placement, profile, whole)
    }
    let (arms, rates) = try trained(ground)
    sayEnds(rates)
    let baseCells = try measured(ArmRun.base, ground) { ranks.size == 1 ? whole : try loaded(base, ground) }
    let cells = baseCells + arms.flatMap(\.cells)
    let runs = arms.map(\.run)
    let study = Study(
      facts: try facts(runs, rates, placement, difference, seconds: Clock.monotonic() - began), cells: cells,
      curves: try recipe.study.arms.map { arm in try .mean(runs.filter { $0.name == arm.name }.map { try $0.curve() })
      },
      layers: layers(profile, placement, contiguous))
    let comparison = try Comparison(study, bootstrap: Bootstrap(draws: 2_000, seed: UInt64(recipe.run.seed)))
    let answers = try comparedTasks(reference: comparison.reference?.arm ?? recipe.study.arms[0].name)
    try folder.write(String(decoding: try comparison.json(), as: UTF8.self), to: folder.comparison)
    try folder.write(ComparisonTable(comparison).markdown + "\n", to: folder.table)
    try folder.write(Report(study: study, comparison: comparison, tasks: answers).html, to: folder.report)
    return (comparison, answers)
  }

  /// Files that a finished study has written, for the last words.
  public var results: (comparison: String, report: String) { (folder.comparison, folder.report) }

  // MARK: Profile and placement

  private func profiled(_ model: LanguageModel) throws -> CollaborationProfile {
    let documents = data.profileDocuments
    let line = console.progress("profile", documents.reduce(0) { $0 + $1.tokens.count }, "tokens")
    defer { line.finish() }
    return try ModelProfiler(
      model, batchTokens: recipe.schedule.batchTokens,
      outputSimilarityTokens: rules.map { RoutingPlan.outputSimilarityTokens($0.recipe) }.max() ?? 0
    ).profile(
      documents, data: recipe.data.profile.isEmpty ? "training data" : "profile text"
    ) { line.update($0) }
  }

  /// Routing of a rule; a budget of devices is spent on profile text.
  private func settings(
    _ rule: StudyRule, _ placement: Placement, _ profile: CollaborationProfile, _ model: LanguageModel
  ) throws -> RoutingSettings {
    let settings = try RoutingPlan.settings(rule.recipe, placement) { profile }
    guard let budget = rule.recipe.routing.limitBudget else { return settings }
    let found = try LimitSearch(
      model, settings, documents: data.profile, batchTokens: recipe.schedule.batchTokens
    ).run(budget: budget)
    console.say("\(rule.name): device_limit by layer \(found.allocation.limits)")
    return found.settings
  }

  /// A model as this rank holds it: with its own experts, or all in one process.
  func loaded(_ files: ModelFiles, _ ground: StudyGround) throws -> LanguageModel {
    if ranks.size == 1 { return try files.model() }
    var model = try files.model(shard: ExpertShard(ground.placement, device: ranks.rank, base.configuration))
    try model.spread(ground.placement, over: ranks, options: recipe.parallel.options)
    return model
  }

  /// What the first rank found, on all of them.
  func agreed(_ own: Bool) -> Bool { ranks.sum([ranks.rank == 0 && own ? 1 : 0])[0] > 0 }

  private var proofDocuments: [[Int32]] {
    var documents: [[Int32]] = []
    var tokens = 0
    for document in data.profile where tokens < Self.proofTokens {
      documents.append(document.tokens)
      tokens += document.tokens.count
    }
    return documents
  }

  private func describe(_ placement: Placement, against contiguous: Placement) {
    func mean(_ placement: Placement, _ value: (Prediction) -> Double) -> String {
      let values = placement.layers.compactMap(\.predicted).map(value)
      return values.isEmpty ? "–" : decimal(values.reduce(0, +) / Double(values.count), 3)
    }
    for (name, placement) in [("contiguous", contiguous), ("chosen", placement)] {
      console.say(
        "placement \(name): devices_per_token \(mean(placement, \.devicesPerToken)), imbalance "
          + "\(mean(placement, \.imbalance)), intra_share \(mean(placement, \.intraShare)) (profile, mean over layers)")
    }
  }

  private func layers(
    _ profile: CollaborationProfile, _ placement: Placement, _ contiguous: Placement
  ) -> [LayerPlacement] {
    zip(profile.layers, zip(placement.layers, contiguous.layers)).compactMap { layer, placements in
      let (chosen, before) = placements
      guard
        let after = chosen.predicted
          ?? (try? Prediction(layer, placement: chosen.expertDevice, devices: placement.devices)),
        let plain = before.predicted
      else { return nil }
      return LayerPlacement(
        layer: layer.layer, coactivation: layer.coactivation.map(Int.init), load: layer.load.map(Int.init),
        expertDevice: chosen.expertDevice, contiguous: PlacementPrediction(plain), chosen: PlacementPrediction(after))
    }
  }

  private func facts(
    _ runs: [ArmRun], _ rates: [String: Double], _ placement: Placement, _ difference: Double, seconds: Double
  ) throws -> RunFacts {
    let configuration = base.configuration
    let placed =
      switch recipe.routing.placement {
      case .method(let method): method.rawValue
      case .file(let path): (path as NSString).lastPathComponent
      }
    let orders = seeds.compactMap { seed in runs.first { $0.seed == seed }?.tuning?.batchOrder }
    return RunFacts(
      model: (recipe.model as NSString).lastPathComponent, parameters: configuration.parameterCount,
      experts: configuration.experts, topK: configuration.topK, hidden: configuration.hidden,
      devices: placement.devices, bytesPerElement: CommunicationFigures.bytesPerElement, placement: placed,
      seeds: seeds, batchOrders: orders, learningRates: rates, tokensTrained: try runs.first?.summary().tokens ?? 0,
      seconds: seconds, targetData: Self.words(recipe.data.test), retentionData: Self.words(recipe.data.retention),
      maxLogitDifference: difference, version: program)
  }

  private static func words(_ sources: [Recipe.Source]) -> String {
    sources.map { ($0.path as NSString).lastPathComponent }.joined(separator: ", ")
  }

  private static func hash(_ parts: [[TokenizedDocument]]) -> String {
    var hash = StableHash()
    for document in parts.flatMap(\.self) {
      hash.combine(document.id)
      for (token, target) in zip(document.tokens, document.targets) { hash.combine(Int(token) << 32 ^ Int(target)) }
    }
    return hash.hexadecimal
  }
}

extension PlacementPrediction {
  /// The figures of a prediction.
  init(_ prediction: Prediction) {
    self.init(
      devicesPerToken: prediction.devicesPerToken, remoteCopies: prediction.remoteCopies,
      intraShare: prediction.intraShare, imbalance: prediction.imbalance)
  }
}
