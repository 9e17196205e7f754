internal import Collaboration
internal import Checkpoint
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
  let folder: StudyFolder
  let program: String
  let console: Console
  let base: ModelFiles
  let model: LanguageModel
  let data: TrainingData
  /// Depends on program, weights and all tokens.
  private let baseKey: CacheKey

  /// Tokens on which the placement's proof compares logits.
  static let proofTokens = 2_048

  /// Opens the model and reads the data; everything that can be wrong is found here, before any work.
  ///
  /// - Parameters:
  ///   - recipe: A recipe with a `study` section.
  ///   - program: Name and version of the program.
  ///   - console: Where the study tells what it does.
  /// - Throws: What is wrong with model, data or routing.
  public init(_ recipe: Recipe, program: String, console: Console) throws {
    guard recipe.study.seeds.count <= 1 else { throw StudyError.seeds(recipe.study.seeds.count) }
    var recipe = recipe
    if let seed = recipe.study.seeds.first { recipe.run.seed = seed }
    (self.recipe, self.program, self.console) = (recipe, program, console)
    folder = StudyFolder(path: recipe.output)
    base = try ModelFiles(opening: recipe.model)
    for arm in recipe.study.arms {
      let recipe = try recipe.arm(arm.name)
      try RoutingPlan.check(recipe, base.configuration)
      try AdapterPlan.check(recipe, base)
    }
    model = try base.model()
    let (tokenizer, end) = try TrainingData.tokenizer(of: base)
    data = try TrainingData(
      recipe, tokenizer: tokenizer, endOfSequence: end, parts: [.training, .evaluation, .profile])
    for arm in recipe.study.arms { try RunPreparation.checkSchedule(try recipe.arm(arm.name), data) }
    if recipe.study.learningRates.count > 1, data.validation.isEmpty { throw StudyError.noValidation }
    baseKey = CacheKey(program, String(try base.checksum()), Self.hash([data.test, data.retention, data.profile]))
  }

  /// Runs what is not done yet.
  ///
  /// - Parameter overwrite: Whether an earlier study in the folder is removed first.
  /// - Returns: The comparison, with all files written.
  /// - Throws: What went wrong; ``StudyError/stopped(after:)`` after a signal.
  public func run(overwrite: Bool = false) throws -> Comparison {
    let began = Clock.monotonic()
    try folder.prepare(overwrite: overwrite)
    try folder.write(recipe.yaml(), to: folder.recipe)
    for (part, report) in data.reports { console.say("\(part): \(report)") }

    let profile = try profiled()
    try ProfileFile.write(profile, to: folder.profile, program: program)
    let placement = try RoutingPlan.placement(recipe, model) { profile }
    try folder.write(placement.json, to: folder.placement)
    let contiguous = try Placement(profile, devices: placement.devices, method: .contiguous)
    describe(placement, against: contiguous)
    let difference = try PlacementProof.largestDifference(model, placement, documents: proofDocuments)
    console.say("moving the experts to their devices changes logits by at most \(difference)")

    var arms = [TrainedArm(name: "base", limit: nil, policy: recipe.routing.policy.rawValue, files: base, run: nil)]
    for arm in recipe.study.arms { arms.append(try trained(arm, placement, profile)) }
    let cells = try measured(arms, placement)
    let study = Study(
      facts: try facts(arms, placement, difference, seconds: Clock.monotonic() - began), cells: cells,
      curves: try arms.compactMap { try $0.curve() }, layers: layers(profile, placement, contiguous))
    let comparison = try Comparison(study, bootstrap: Bootstrap(draws: 2_000, seed: UInt64(recipe.run.seed)))
    try folder.write(try comparison.json(), to: folder.comparison)
    try folder.write(ComparisonTable(comparison).markdown + "\n", to: folder.table)
    try folder.write(Report(study: study, comparison: comparison).html, to: folder.report)
    return comparison
  }

  /// Files that a finished study has written, for the last words.
  public var results: (comparison: String, report: String) { (folder.comparison, folder.report) }

  // MARK: Profile and placement

  private func profiled() throws -> CollaborationProfile {
    let documents = data.profileDocuments
    let line = console.progress("profile", documents.reduce(0) { $0 + $1.tokens.count }, "tokens")
    defer { line.finish() }
    return try ModelProfiler(model, batchTokens: recipe.schedule.batchTokens).profile(
      documents, data: recipe.data.profile.isEmpty ? "training data" : "profile text"
    ) { line.update($0) }
  }

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
      return values.isEmpty ? "–" : String(format: "%.3f", values.reduce(0, +) / Double(values.count))
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

  // MARK: The matrix

  private func measured(_ arms: [TrainedArm], _ placement: Placement) throws -> [Cell] {
    let limits =
      [nil]
      + arms.compactMap(\.limit).sorted(by: >).reduce(into: [Int?]()) {
        if !$0.contains($1) { $0.append($1) }
      }
    let documents = data.test.count + data.retention.count
    let line = console.progress("evaluate", documents * arms.count * limits.count, "documents")
    defer { line.finish() }
    var (cells, done): ([Cell], Int) = ([], 0)
    for arm in arms {
      var loaded: LanguageModel?
      for limit in limits {
        let key = baseKey.adding(arm.key).adding(placement.json).adding("\(recipe.routing)")
          .adding("\(recipe.schedule.batchTokens)").adding("\(limit ?? 0)").text
        let file = folder.cell(arm.name, limit)
        if let cell = folder.cached(file, key: key, as: Cell.self) {
          cells.append(cell)
        } else {
          let weights = try loaded ?? arm.files.model()
          loaded = weights
          let settings = RoutingPlan.settings(recipe, placement).limited(to: limit)
          let measured = try CellMeasurement.measure(
            weights, settings, data, batchTokens: recipe.schedule.batchTokens
          ) { line.update(done + $0, note: "\(arm.name) \(limit.map { "L = \($0)" } ?? "no limit")") }
          let cell = Cell(
            arm: arm.name, fineTuned: arm.run != nil, trainedLimit: arm.limit, evaluatedLimit: limit,
            policy: limit == nil ? "none" : settings.policy.rawValue, target: measured.target,
            retention: measured.retention, communication: measured.communication[0],
            layers: Array(measured.communication.dropFirst()))
          try folder.keep(cell, key: key, in: file)
          cells.append(cell)
          if console.isStopRequested() { throw StudyError.stopped(after: "measuring \(cell.name)") }
        }
        done += documents
        line.update(done)
      }
    }
    return cells
  }

  private func facts(
    _ arms: [TrainedArm], _ placement: Placement, _ difference: Double, seconds: Double
  ) throws -> RunFacts {
    let summary = try arms.lazy.compactMap(\.run).first.map { try RunSummary(path: $0.summary) }
    let configuration = base.configuration
    let placed =
      switch recipe.routing.placement {
      case .method(let method): method.rawValue
      case .file(let path): (path as NSString).lastPathComponent
      }
    return RunFacts(
      model: (recipe.model as NSString).lastPathComponent, parameters: configuration.parameterCount,
      experts: configuration.experts, topK: configuration.topK, hidden: configuration.hidden,
      devices: placement.devices, bytesPerElement: CommunicationFigures.bytesPerElement, placement: placed,
      seed: UInt64(recipe.run.seed), batchOrder: summary?.batchOrder ?? "", tokensTrained: summary?.tokens ?? 0,
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

  /// The key of an arm's weights: base, its recipe and the placement.
  func armKey(_ recipe: Recipe, _ placement: Placement, _ batchOrder: String) -> String {
    baseKey.adding(recipe.contentHash()).adding(placement.json).adding(batchOrder).text
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
