public import Checkpoint
internal import Placements
internal import Profiles
public import Routing
public import ExpertParallel
internal import Formats
internal import Foundation
public import Models
internal import Tensors
internal import Text

/// A fine-tuning run with everything it needs, checked before any work.
///
///     let run = try RunPreparation(recipe, mode: .new)       // recipe, output, model, data: seconds
///     let plan = try run.plan()                              // profile, placement, adapters: loads the model
///     try run.tuning(plan, program: "…").run(.new)
public struct RunPreparation {
  /// The resolved recipe.
  public internal(set) var recipe: Recipe
  /// What happens to the output folder: as asked, but a run that is to go on and has no checkpoint yet begins anew.
  public let mode: RunFolder.Mode
  /// Where the run is recorded.
  public let folder: RunFolder
  /// The base model's files.
  public let base: ModelFiles
  /// Every parameter as it lies in the base model's files.
  public let parameters: [StoredParameter]
  /// The rule of a layer: whether it prunes, and how many candidates it leaves.
  public let rule: RoutingRule
  /// Tokenised text.
  public let data: TrainingData

  /// Whether a run that goes on may have more steps than before.
  let extends: Bool

  /// Checks recipe, output folder, model, routing and data, cheapest first; no weight is read and nothing is written.
  ///
  /// - Parameters:
  ///   - recipe: The resolved recipe.
  ///   - mode: What to do with an output folder that exists.
  ///   - extends: Whether a run that goes on, finished or not, is to have more steps.
  /// - Throws: What is wrong, as the types that know it: ``RunFolderError``, `FolderError`, `FileError`,
  ///   `ConfigurationError`, `RoutingError`, ``AdapterPlanError``, ``PreparationError``, ``ModelTextError``,
  ///   `TokenizerError`, `DataError`.
  public init(_ recipe: Recipe, mode: RunFolder.Mode, extends: Bool = false) throws {
    let folder = RunFolder(recipe.output)
    if extends, try folder.savedSteps().isEmpty { throw FineTuning.nothingToExtend(folder) }
    let asked = mode
    let mode = try folder.check(asked)
    if asked == .resume, mode == .resume || FileManager.default.fileExists(atPath: folder.recipe) {
      try FineTuning.checkUnchanged(recipe, folder, extends: extends)
    }
    let base = try ModelFiles(opening: recipe.model)
    try self.init(recipe, mode: mode, extends: extends, folder: folder, base: base) {
      let (tokenizer, end) = try TrainingData.tokenizer(of: base)
      return try TrainingData(
        recipe, tokenizer: tokenizer, endOfSequence: end, parts: mode == .resume ? .training : [.training, .profile])
    }
  }

  /// One of several runs that share model and data, checked alike.
  ///
  /// - Parameters:
  ///   - recipe: The resolved recipe of this run.
  ///   - base: The base model's files.
  ///   - data: Tokenised text.
  /// - Throws: As above, but for output and data.
  public init(_ recipe: Recipe, base: ModelFiles, data: TrainingData) throws {
    try self.init(recipe, mode: .new, extends: false, folder: RunFolder(recipe.output), base: base) { data }
  }

  private init(
    _ recipe: Recipe, mode: RunFolder.Mode, extends: Bool, folder: RunFolder, base: ModelFiles,
    data: () throws -> TrainingData
  ) throws {
    (self.recipe, self.mode, self.extends, self.folder, self.base) = (recipe, mode, extends, folder, base)
    if let error = base.configuration.untrainable { throw error }
    rule = try RoutingPlan.check(recipe, base.configuration)
    guard recipe.data.maxTokens <= base.configuration.maxPositions else {
      throw PreparationError.tooLong(found: recipe.data.maxTokens, positions: base.configuration.maxPositions)
    }
    parameters = try base.inventory()
    try AdapterPlan.check(recipe, base)
    let roles = recipe.train.fullRoles.union(recipe.train.adaptedRoles.keys)
    guard parameters.contains(where: { roles.contains($0.path.role) }) else { throw PreparationError.nothingTrains }
    self.data = try data()
    try Self.checkEpochs(recipe, self.data)
    try Self.checkSchedule(recipe, self.data)
    if extends, mode == .resume {
      try FineTuning.checkExtension(recipe, folder, FineTuning.batcher(recipe, self.data))
    }
  }

  /// What is allowed and probably not meant: one sentence each.
  public var remarks: [String] {
    let (warmUp, steps) = (recipe.schedule.warmupSteps, FineTuning.stepCount(recipe, FineTuning.batcher(recipe, data)))
    guard warmUp > steps else { return [] }
    let reached = Double(steps) / Double(warmUp) * recipe.optimizer.learningRate
    return [
      "schedule.warmup_steps: \(counted(warmUp, "step")) of warm-up are longer than the run of \(steps), whose learning rate rises to "
        + "\(reached) of \(recipe.optimizer.learningRate) at most; try schedule.warmup_steps=\(max(steps / 10, 0))"
    ]
  }

  /// Documents of all epochs together that a run may have: to count its steps, each epoch is packed before the first.
  /// It is done in a minute, and to train on as many would take years.
  static let mostDocuments = 100_000_000

  /// Checks that the steps of a run can be counted.
  ///
  /// - Throws: ``PreparationError/epochs(found:most:documents:)``.
  static func checkEpochs(_ recipe: Recipe, _ data: TrainingData) throws(PreparationError) {
    let schedule = recipe.schedule
    let copies = data.train.reduce(0.0) { $0 + max(1, $1.weight) }
    let most = max(1, Int(Double(mostDocuments) / max(1, copies)))
    // An epoch has at least one batch.
    let looked = min(schedule.epochs, schedule.maxSteps.map { $0 * schedule.accumulation } ?? .max)
    if looked > most { throw .epochs(found: looked, most: most, documents: data.train.count) }
  }

  /// Checks that a schedule of limits comes to its end while the run still trains.
  ///
  /// - Parameters:
  ///   - recipe: Its `routing` and `schedule` sections.
  ///   - data: What is trained on, which decides the number of steps.
  /// - Throws: ``PreparationError/schedule(reached:limit:steps:)``.
  static func checkSchedule(_ recipe: Recipe, _ data: TrainingData) throws(PreparationError) {
    guard recipe.routing.deviceLimitSchedule != nil, let last = recipe.routing.limitStages.last else { return }
    let steps = FineTuning.stepCount(recipe, FineTuning.batcher(recipe, data))
    if last.step >= steps { throw .schedule(reached: last.step, limit: last.limit, steps: steps) }
  }

  /// Whether a profile is needed: for a placement that has to be computed, or for the choice of adapted experts.
  public var needsProfile: Bool {
    if mode == .resume { return false }
    if AdapterPlan.needsProfile(recipe) { return true }
    if RoutingPlan.needsTables(recipe) { return true }
    if case .file = recipe.routing.placement { return false }
    return true
  }

  /// What a run depends on besides recipe, model and data.
  public struct Plan {
    /// Placement and limit.
    public let routing: RoutingSettings
    /// Adapters that train; nil for none.
    public let adapters: AdapterSettings?
    /// How a budget of devices was spent; nil where the recipe names no budget, or the newest checkpoint holds the
    /// limits.
    public let limits: LimitSearch.Result?
  }

  /// Placement, limit and adapters: those of the newest checkpoint when a run goes on, else as the recipe asks.
  ///
  /// - Parameter progress: Called with the number of tokens profiled.
  /// - Returns: Settings that fit the model.
  /// - Throws: `PlacementError`, `FileError`, `RoutingError`.
  public func plan(progress: (Int) -> Void = { _ in }) throws -> Plan {
    if mode == .resume, let step = try folder.savedSteps().last {
      let files = try ModelFiles(opening: folder.checkpoint(step: step), over: base.path)
      if let routing = files.routing { return Plan(routing: routing, adapters: files.adapters, limits: nil) }
    }
    var profile: CollaborationProfile?
    func profiled(_ model: LanguageModel) throws -> CollaborationProfile {
      if let profile { return profile }
      let made = try ModelProfiler(
        model, batchTokens: recipe.schedule.batchTokens,
        outputSimilarityTokens: RoutingPlan.outputSimilarityTokens(recipe)
      ).profile(
        data.profileDocuments, data: recipe.data.profile.isEmpty ? "training data" : "profile text", progress: progress)
      profile = made
      return made
    }
    let placement: Placement
    if case .file(let path) = recipe.routing.placement {
      placement = try RoutingPlan.placement(
        try Placement(path: path), base.configuration, file: path, nodes: recipe.parallel.nodes)
    } else {
      let model = try base.model()
      placement = try RoutingPlan.placement(recipe, model) { try profiled(model) }
    }
    var routing = try RoutingPlan.settings(recipe, placement) { try profiled(try base.model()) }
    let limits = try recipe.routing.limitBudget.map { budget in
      try LimitSearch(
        try base.model(), routing, documents: data.profile, batchTokens: recipe.schedule.batchTokens
      ).run(budget: budget)
    }
    if let limits { routing = limits.settings }
    return Plan(
      routing: routing,
      adapters: try AdapterPlan.settings(recipe, base.configuration) { try profiled(try base.model()) },
      limits: limits)
  }

  /// The same on several ranks: rank 0 profiles and places, and hands the routing to the others.
  ///
  /// - Parameters:
  ///   - ranks: The processes of the run.
  ///   - progress: Called on rank 0 with the number of tokens profiled.
  /// - Returns: The same plan on all of them.
  /// - Throws: As above.
  public func plan(_ ranks: any Communicator, progress: (Int) -> Void = { _ in }) throws -> Plan {
    if ranks.size == 1 { return try plan(progress: progress) }
    var (own, failure): (Plan?, (any Error)?)
    if ranks.rank == 0 { do { own = try plan(progress: progress) } catch { failure = error } }
    // Nothing where there is no plan: then none of the ranks goes on.
    let text = ranks.broadcast(Array((own?.routing.json ?? "").utf8))
    let experts = ranks.broadcast(Array(AdapterPlan.json(own?.adapters?.experts ?? [:])))
    if let failure { throw failure }
    if let own { return own }
    if text.isEmpty { throw PreparationError.firstRank }
    var adapters = AdapterPlan.sizes(recipe)
    adapters?.experts = AdapterPlan.experts(json: experts)
    return Plan(
      routing: try RoutingSettings(json: String(decoding: text, as: UTF8.self), base.configuration),
      adapters: adapters, limits: nil)
  }

  /// The run itself.
  ///
  /// - Parameters:
  ///   - plan: Placement, limit and adapters.
  ///   - program: Name and version of the program, for the record.
  ///   - ranks: The processes that train together.
  /// - Returns: A run that is ready to begin in ``mode``.
  public func tuning(_ plan: Plan, program: String, ranks: any Communicator = SingleProcess()) -> FineTuning {
    var tuning = FineTuning(
      recipe: recipe, base: base, routing: plan.routing, adapters: plan.adapters, data: data, folder: folder,
      program: program, ranks: ranks)
    tuning.extends = extends && mode == .resume
    return tuning
  }

  /// A role of the model, and what of it trains.
  public struct RolePlan {
    /// The role.
    public let role: Role
    /// Parameters of the model's own.
    public let parameters: Int
    /// Parameters that train: all of the role's own, those of its adapters, or none.
    public let trained: Int
    /// Parameters of the model's own that stay as they are.
    public let frozen: Int
    /// `full`, `frozen` or what the adapters are, in words.
    public let how: String
  }

  /// Roles that the model has, in the order of ``Role``.
  public var roles: [RolePlan] {
    let factors = AdapterPlan.expected(recipe, base.configuration)?.parameters(
      over: parameters.map { ($0.path, $0.shape) })
    return recipe.train.modes.compactMap { role, mode in
      let count = parameters.filter { $0.path.role == role }.reduce(0) { $0 + $1.count }
      if count == 0 { return nil }
      switch mode {
      case .full: return RolePlan(role: role, parameters: count, trained: count, frozen: 0, how: "full")
      case .frozen: return RolePlan(role: role, parameters: count, trained: 0, frozen: count, how: "frozen")
      case .lora(let lora):
        let adapted = (factors ?? []).filter { $0.path.role == role }.reduce(0) { $0 + $1.shape.reduce(1, *) }
        let experts = base.configuration.experts
        let share =
          lora.share < 1 ? ", \(AdapterPlan.count(experts, share: lora.share)) of \(counted(experts, "expert"))" : ""
        return RolePlan(
          role: role, parameters: count, trained: adapted, frozen: count,
          how: "lora, rank \(lora.rank), alpha \(lora.alpha)\(lora.isRankStabilized ? ", rslora" : "")\(share)")
      }
    }
  }
}
