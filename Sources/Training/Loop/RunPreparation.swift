public import Checkpoint
public import Collaboration
public import Models
internal import Text

/// A fine-tuning run with everything it needs, checked before any work.
///
///     let run = try RunPreparation(recipe, mode: .new)       // recipe, output, model, data: seconds
///     let routing = try run.routing()                        // profile and placement: loads the model
///     try run.tuning(routing, program: "…").run(.new)
public struct RunPreparation {
  /// The resolved recipe.
  public let recipe: Recipe
  /// What happens to the output folder.
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

  /// Checks recipe, output folder, model, routing and data, cheapest first; no weight is read and nothing is written.
  ///
  /// - Parameters:
  ///   - recipe: The resolved recipe.
  ///   - mode: What to do with an output folder that exists.
  /// - Throws: What is wrong, as the types that know it: ``RunFolderError``, `FileError`, `ConfigurationError`,
  ///   `RoutingError`, ``PreparationError``, ``ModelTextError``, `TokenizerError`, `DataError`.
  public init(_ recipe: Recipe, mode: RunFolder.Mode) throws {
    (self.recipe, self.mode) = (recipe, mode)
    folder = RunFolder(recipe.output)
    try folder.check(mode)
    if mode == .resume { try FineTuning.checkUnchanged(recipe, folder) }
    base = try ModelFiles(opening: recipe.model)
    rule = try RoutingPlan.check(recipe, base.configuration)
    guard recipe.data.maxTokens <= base.configuration.maxPositions else {
      throw PreparationError.tooLong(found: recipe.data.maxTokens, positions: base.configuration.maxPositions)
    }
    parameters = try base.inventory()
    let roles = FineTuning.trainedRoles(recipe.train)
    guard parameters.contains(where: { roles.contains($0.path.role) }) else { throw PreparationError.nothingTrains }
    let (tokenizer, end) = try TrainingData.tokenizer(of: base)
    data = try TrainingData(
      recipe, tokenizer: tokenizer, endOfSequence: end, parts: mode == .resume ? .training : [.training, .profile])
  }

  /// Whether a placement has to be computed from a profile.
  public var needsProfile: Bool {
    if mode == .resume { return false }
    if case .file = recipe.routing.placement { return false }
    return true
  }

  /// Placement and limit: those of the newest checkpoint when a run goes on, else as the recipe asks.
  ///
  /// - Parameter progress: Called with the number of tokens profiled.
  /// - Returns: Settings that fit the model.
  /// - Throws: `PlacementError`, `FileError`, `RoutingError`.
  public func routing(progress: (Int) -> Void = { _ in }) throws -> RoutingSettings {
    if mode == .resume, let step = folder.savedSteps().last {
      let path = folder.checkpoint(step: step)
      if let routing = try ModelFiles(opening: path).routing { return routing }
    }
    if case .file(let path) = recipe.routing.placement {
      let placement = try RoutingPlan.placement(try Placement(path: path), base.configuration, file: path)
      return RoutingPlan.settings(recipe, placement)
    }
    let model = try base.model()
    let placement = try RoutingPlan.placement(recipe, model) {
      try ModelProfiler(model, batchTokens: recipe.schedule.batchTokens).profile(
        data.profileDocuments, data: recipe.data.profile.isEmpty ? "training data" : "profile text", progress: progress)
    }
    return RoutingPlan.settings(recipe, placement)
  }

  /// The run itself.
  ///
  /// - Parameters:
  ///   - routing: Placement and limit.
  ///   - program: Name and version of the program, for the record.
  /// - Returns: A run that is ready to begin in ``mode``.
  public func tuning(_ routing: RoutingSettings, program: String) -> FineTuning {
    FineTuning(recipe: recipe, base: base, routing: routing, data: data, folder: folder, program: program)
  }

  /// Parameters by role in the order of ``Role``: how many there are, and whether they train.
  public var roles: [(role: Role, parameters: Int, isTrained: Bool)] {
    let trained = FineTuning.trainedRoles(recipe.train)
    return Role.allCases.compactMap { role in
      let count = parameters.filter { $0.path.role == role }.reduce(0) { $0 + $1.count }
      return count == 0 ? nil : (role, count, trained.contains(role))
    }
  }
}

/// Why a recipe does not fit its model.
public enum PreparationError: Error, Equatable, CustomStringConvertible {
  /// Samples may be longer than the model has positions.
  case tooLong(found: Int, positions: Int)
  /// Every role that the model has is frozen.
  case nothingTrains

  /// The message for a person.
  public var description: String {
    switch self {
    case .tooLong(let found, let positions):
      "data.max_tokens: expected at most \(positions), the positions of the model, found \(found); "
        + "try data.max_tokens=\(positions)"
    case .nothingTrains:
      "train: expected a role that trains and that the model has, found all frozen; try train.experts=full"
    }
  }
}
