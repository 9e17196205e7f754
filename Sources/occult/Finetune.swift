internal import Host
import ArgumentParser
import Evaluation
import ExpertParallel
import Foundation
import Models
import Tensors
import Training

/// `occult finetune`.
struct Finetune: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fine-tune a model as a recipe says, freely or under a device limit.",
    discussion: """
      Everything is checked before any work. The run folder gets metrics.jsonl, TensorBoard events, checkpoints, \
      final.h5 and summary.json. Ctrl-C and SIGTERM finish the step and write a checkpoint, from which --resume goes on \
      to the same bits, wherever the folder is by then. --extend trains a run on that has ended: with more steps or epochs, \
      moments and data order kept, and the learning rate of the longer schedule.

      Examples:
        occult finetune recipes/quickstart.yaml routing.device_limit=2 save.every=20 output=runs/limit-2
        occult finetune recipes/quickstart.yaml routing.device_limit=2 save.every=20 output=runs/limit-2 --resume
        occult finetune recipes/quickstart.yaml routing.device_limit=2 save.every=20 schedule.max_steps=240 output=runs/limit-2 --extend
        occult finetune recipes/olmoe/finetune.yaml model=OLMoE-1B-7B-0924 data.train.path=my.json --dry-run
      """)

  @OptionGroup var options: RecipeOptions

  @Flag(help: "Go on from the newest checkpoint in the output folder.")
  var resume = false

  @Flag(
    help: "Train on for more steps: schedule.max_steps or schedule.epochs may be larger than the run in the folder had."
  )
  var extend = false

  @Flag(help: "Remove an earlier run in the output folder first.")
  var overwrite = false

  @Flag(help: "Check everything, estimate memory, time and bytes on the wire, and stop: no weight is loaded.")
  var dryRun = false

  @OptionGroup var output: OutputOptions

  func validate() throws {
    let given = [("--resume", resume), ("--extend", extend), ("--overwrite", overwrite)].filter(\.1).map(\.0)
    if given.count > 1 {
      throw ValidationError(
        "expected one of --resume, --extend and --overwrite, found \(given.joined(separator: " and "))")
    }
  }

  func run() throws {
    let ranks = try RankGroup.join()
    try ranks.session { try run(ranks) }
  }

  private func run(_ ranks: any Communicator) throws {
    let hosts = ranks.hosts()
    let here = hosts.indices.filter { hosts[$0] == hosts[ranks.rank] }
    let recipe = try ranks.together {
      let recipe = try options.load()
      try ranks.check(devices: recipe.routing.devices)
      return recipe
    }
    ranks.check(nodes: recipe.parallel.nodes, hosts: hosts)
    // Read when the team of threads starts, which nothing above does.
    options.useThreads(recipe)
    let (run, tasks) = try ranks.together {
      let run = try RunPreparation(
        recipe, mode: goesOn ? .resume : overwrite ? .overwrite : .new, extends: extend)
      if !dryRun { try run.checkMemory(Memory.limits, ranks: ranks.size, here: here) }
      return (run, try TaskSuite(recipe, run.base))
    }
    if ranks.rank == 0 {
      tell(run.data.notes)
      tasks?.set.warnOfMissing(recipe.tasks.data)
    }
    if goesOn, run.mode != .resume, ranks.rank == 0 {
      note("\(run.folder.path): the run ended before its first checkpoint; it begins anew")
    }
    if ranks.rank == 0 { for remark in run.remarks { logger.warning("\(remark)") } }
    let report = FinetuneReport(run: run)
    if run.rule.isDegenerate, ranks.rank == 0 {
      logger.warning(
        "routing.device_limit: degenerate: with ρ = 1 a token's devices hold exactly k experts, so the rule chooses between devices only"
      )
    }
    if dryRun {
      guard ranks.rank == 0 else { return }
      do {
        try run.checkMemory(Memory.limits, ranks: ranks.size, here: here)
      } catch {
        logger.warning("\(error)")
      }
      let plan = DryRun(run: run, estimate: try run.estimate(), rate: run.measuredRate())
      if let warning = plan.rate.warning { logger.warning("\(warning)") }
      return output.json ? try OutputOptions.print(plan) : print(report.sizes + "\n\n" + plan.text)
    }
    if ranks.rank == 0, !output.json { print(report.sizes) }
    try train(run, tasks, report, ranks)
  }

  private func train(_ run: RunPreparation, _ tasks: TaskSuite?, _ report: FinetuneReport, _ ranks: any Communicator)
    throws
  {
    let isFirst = ranks.rank == 0
    // Before the first long work, and held until the result is scored; what is there goes when everything is ready.
    let lock = try ranks.together { isFirst ? try run.folder.lock() : nil }
    defer { withExtendedLifetime(lock) {} }
    if isFirst, goesOn { StopSignal.onEnd(say: "stopped; to go on:\n  \(resumeCommand)") }
    var line: ProgressLine?
    if run.needsProfile, isFirst {
      line = ProgressLine(
        label: "profile", total: run.data.profileDocuments.reduce(0) { $0 + $1.tokens.count }, unit: "tokens")
    }
    let plan = try ranks.together {
      defer { line?.finish() }
      let plan = try run.plan(ranks) { line?.update($0) }
      try ranks.check(devices: plan.routing.placement.devices)
      return plan
    }
    var tuning = run.tuning(plan, program: Program.name, ranks: ranks)
    tuning.abandonsMeasuring = { StopSignal.isRequested }
    tuning.tasks = tasks?.scoring(ranks)
    if isFirst, !output.json, let limits = plan.limits { print("\n" + report.limits(limits)) }
    if isFirst, !output.json { print("\n" + report.placement(plan.routing) + "\n\n" + report.schedule(tuning) + "\n") }

    if isFirst, let words = try tuning.extensionWords() { note(words) }
    tuning.claim = isFirst ? try run.folder.claim(run.mode, program: Program.name, lock: lock) : nil
    let done = goesOn ? try run.folder.savedSteps().last ?? 0 : 0
    let progress = isFirst ? ProgressLine(label: "train", total: tuning.steps, unit: "steps", done: done) : nil
    let (ending, model) = try tuning.run(run.mode, sinks: progress.map { [ConsoleSink(progress: $0)] } ?? []) {
      StopSignal.isRequested
    }
    switch ending {
    case .stopped(let step):
      guard isFirst else { throw ExitCode(StopSignal.exitCode ?? 130) }
      note("stopped after step \(step) of \(tuning.steps); to go on:\n  \(resumeCommand)")
      throw ExitCode(StopSignal.exitCode ?? 130)
    case .finished:
      if ranks.sum([StopSignal.isRequested ? 1 : 0])[0] > 0, tasks != nil {
        if isFirst { note("stopped after the last step, before the tasks; \(run.folder.final) is whole") }
        throw ExitCode(StopSignal.exitCode ?? 130)
      }
      if isFirst { StopSignal.onEnd(say: "stopped after training; \(run.folder.final) is whole") }
      let table = try tasks.map { try score($0, model, run, plan.routing, ranks) }
      guard isFirst else { return }
      let summary = try RunSummary(path: run.folder.summary)
      if output.json { return try OutputOptions.print(summary) }
      print(report.result(summary))
      if let table { print("\n" + table) }
    }
  }

  /// Scores the result on the recipe's tasks and writes the run's `tasks`.
  ///
  /// - Returns: Their table.
  private func score(
    _ tasks: TaskSuite, _ model: LanguageModel, _ run: RunPreparation, _ routing: RoutingSettings,
    _ ranks: any Communicator
  ) throws -> String {
    let (began, date) = (Clock.monotonic(), Date())
    var model = model
    try model.apply(routing)
    let scored = try tasks.score(model, routing, run.base, ranks)
    var result = EvaluationResult(model: run.folder.final, routing: routing, program: Program.name)
    result.seconds = Clock.monotonic() - began
    let files = tasks.files(scored, of: model, at: run.folder.final, result, began: date)
    if ranks.rank > 0 { return "" }
    let path = try files.write(to: EvaluationOutput(run.folder.tasks, program: Program.name, date: date))
    return HarnessTable(files).text + "\n\n" + path
  }

  /// Whether the run in the folder is taken up again.
  private var goesOn: Bool { resume || extend }

  /// The command that goes on with this run; what was extended has its new length by then.
  private var resumeCommand: String { options.commandLine("finetune", "--resume") }
}
