internal import Files
import ArgumentParser
import Checkpoint
internal import Placements
import Evaluation
import ExpertParallel
import Foundation
import Models
import Text
import Training

/// `occult evaluate`.
struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Measure a model: tasks as in lm-evaluation-harness, loss and retention of a recipe's data, perplexities of text.",
    discussion: """
      Tasks are those of recipes/tasks, of --task-folder, and files: docs/evaluation.md. Their data is given, nothing is downloaded.
      --devices, --placement, --policy and --device-limit override what the checkpoint holds; --device-limit none lifts it.

      Examples:
        occult evaluate runs/quickstart/arms/L2/final.h5 --recipe recipes/quickstart.yaml --output runs/evaluation
        occult evaluate final.h5 --recipe mine.yaml data.test='{path: test.jsonl, format: alpaca}' --output runs/evaluation
        occult evaluate checkpoints/base.h5 --text recipes/data/wikitext-test.txt --output runs/evaluation
        occult evaluate checkpoints/base.h5 --tasks piqa,mmlu --task-data data --shots 5 --limit 100 --output runs/evaluation
      """)

  @OptionGroup var options: ModelOptions

  @Argument(help: "Changes of the recipe, as for finetune: key=value, or ~key.")
  var changes: [String] = []

  @Option(help: "A recipe whose test and retention data are scored.", completion: .file(extensions: ["yaml"]))
  var recipe: String?

  @Option(parsing: .upToNextOption, help: "Plain text files whose perplexities are measured.", completion: .file())
  var text: [String] = []

  @OptionGroup var taskOptions: TaskOptions

  @Option(help: "Length of text blocks; the model's longest sequence, at most 2048, if left out.", transform: count)
  var block: Int?

  @Option(help: "Most documents of a task, and most test and retention documents; all if left out.", transform: count)
  var limit: Int?

  @Option(help: "Largest batch, in tokens. (default: 4096)", transform: count)
  var batchTokens = 4096

  @Option(
    help:
      "Folder for results_<time>.json and samples_<text>_<time>.jsonl; with tasks, the model's name is a folder in it.",
    completion: .directory)
  var output: String

  @OptionGroup var outputOptions: OutputOptions

  func validate() throws {
    try RecipeOptions.check(changes)
    if !changes.isEmpty, recipe == nil {
      throw ValidationError("evaluate: expected --recipe with changes of it, found '\(changes[0])' alone")
    }
    if recipe == nil, text.isEmpty, taskOptions.names.isEmpty {
      throw ValidationError(
        "evaluate: expected --recipe, --text or --tasks, found none; try --recipe recipes/quickstart.yaml")
    }
    for (name, value) in [("--limit", limit), ("--block", block), ("--batch-tokens", batchTokens)] {
      if let value, value < 2 { throw ValidationError("\(name): expected at least 2, found \(value)") }
    }
  }

  func run() throws {
    let ranks = try RankGroup.join()
    try ranks.session { try run(ranks) }
  }

  private func run(_ ranks: any Communicator) throws {
    let (began, date) = (Clock.monotonic(), Date())
    let (files, model, routing, data, tasks, nodes) = try ranks.together {
      let recipe = try recipe.map { try Recipe.load($0, overrides: changes) }
      if let recipe { try checkMeasures(recipe) }
      let parallel = recipe?.parallel ?? .init()
      let files = try ModelFiles(opening: options.model)
      var (model, routing) = try files.model(
        overriding: options.routing.overrides, device: ranks.size > 1 ? ranks.rank : nil)
      if let devices = routing?.placement.devices, devices % parallel.nodes != 0 {
        throw ValidationError(
          "--devices: expected a multiple of the recipe's \(parallel.nodes) parallel.nodes, found \(devices)")
      }
      if ranks.size > 1, let placement = routing?.placement {
        try ranks.check(devices: placement.devices)
        try model.spread(placement, over: ranks, options: parallel.options)
      }
      let nodes = routing == nil ? 1 : parallel.nodes
      return (
        files, model, routing, try recipe.map { try held($0, files, ranks) }, try taskOptions.load(limit: limit, ranks),
        nodes
      )
    }
    var result = EvaluationResult(model: options.model, routing: routing, program: Program.name)
    if let data { try measure(data, files, model, routing, nodes, ranks, into: &result) }
    try measureTexts(files, model, ranks, into: &result)
    if ranks.rank == 0, tasks?.generates == true, let line = files.configuration.generation.taskLine { note(line) }
    let scored = try tasks.map { tasks in
      try ranks.together {
        let suite = try TaskSuite(tasks, files, batchTokens: batchTokens, limit: limit)
        if ranks.rank == 0 { tell(suite.notes) }
        return (suite: suite, evaluation: try suite.score(model, routing, files, ranks))
      }
    }
    guard ranks.rank == 0 else { return }
    if let scored {
      result.seconds = Clock.monotonic() - began
      let harness = scored.suite.files(scored.evaluation, of: model, at: files.path, result, began: date)
      let path = try harness.write(to: EvaluationOutput(output, program: Program.name))
      if outputOptions.json { return OutputOptions.print(json: try harness.json()) }
      print(
        [EvaluationTable(harness.result).text, HarnessTable(harness).text].filter { !$0.isEmpty }.joined(
          separator: "\n\n"))
      return print("\n\(path)")
    }
    result.seconds = Clock.monotonic() - began
    let path = try result.write(to: EvaluationOutput(output, program: Program.name))
    if outputOptions.json {
      OutputOptions.print(json: String(decoding: try result.json(), as: UTF8.self))
    } else {
      print(EvaluationTable(result).text)
      print("\n\(path)")
    }
  }

  /// Whether there is something to measure: a recipe may name training data alone.
  private func checkMeasures(_ recipe: Recipe) throws {
    guard recipe.data.test.isEmpty, recipe.data.retention.isEmpty else { return }
    throw ValidationError(
      "\(self.recipe ?? ""): data.test: expected test or retention data to measure on, found none; "
        + "try data.test='{path: my-test.json, format: alpaca}'")
  }

  /// Test and retention documents of a recipe.
  private func held(_ recipe: Recipe, _ files: ModelFiles, _ ranks: any Communicator) throws -> TrainingData {
    let (tokenizer, end) = try TrainingData.tokenizer(of: files)
    let data = try TrainingData(recipe, tokenizer: tokenizer, endOfSequence: end, parts: .evaluation)
    if ranks.rank == 0 {
      tell(data.notes)
      for (part, report) in data.reports {
        if report.isWhole { tell(report.notes) } else { logger.warning("\(part): \(report)") }
      }
    }
    return data.limited(to: limit)
  }

  private func measure(
    _ data: TrainingData, _ files: ModelFiles, _ model: LanguageModel, _ routing: RoutingSettings?, _ nodes: Int,
    _ ranks: any Communicator, into result: inout EvaluationResult
  ) throws {
    let line =
      ranks.rank == 0
      ? ProgressLine(label: "evaluate", total: data.test.count + data.retention.count, unit: "documents") : nil
    let measured = try CellMeasurement.measure(
      model, try routing ?? unplaced(files), data, batchTokens: batchTokens, nodes: nodes, ranks: ranks
    ) { line?.update($0) }
    line?.finish()
    if !measured.target.isEmpty {
      result.target = try .init(measured.target, model: options.model, text: "target")
      result.documents["target"] = measured.target
      if routing != nil { result.communication = measured.communication.first }
    }
    if !measured.retention.isEmpty {
      result.retention = try .init(measured.retention, model: options.model, text: "retention")
      result.documents["retention"] = measured.retention
    }
  }

  /// All experts on one device: no limit, nothing to communicate.
  private func unplaced(_ files: ModelFiles) throws -> RoutingSettings {
    let c = files.configuration
    return RoutingSettings(
      placement: try Placement(
        modelType: c.modelType, experts: c.experts, devices: 1,
        layers: c.sparseLayers.map { .init(layer: $0, expertDevice: Array(repeating: 0, count: c.experts)) }))
  }

  private func measureTexts(
    _ files: ModelFiles, _ model: LanguageModel, _ ranks: any Communicator, into result: inout EvaluationResult
  ) throws {
    for file in text {
      let (tokenizer, end) = try TrainingData.tokenizer(of: files)
      let (contents, replaced) = LineEnds.universal(Array(try TextFile.read(file).utf8))
      if ranks.rank == 0 { tell(tokenizer.notes + (LineEnds.note(file, replaced: replaced).map { [$0] } ?? [])) }
      let line = ranks.rank == 0 ? ProgressLine(label: "evaluate \(file)", total: nil, unit: "tokens") : nil
      result.texts.append(
        try TextPerplexity(
          contents, file: file, model: model, tokenizer: tokenizer, endOfText: end,
          blockTokens: min(block ?? 2048, files.configuration.maxPositions), ranks: ranks
        ) { line?.update($0) })
      line?.finish()
    }
  }
}
