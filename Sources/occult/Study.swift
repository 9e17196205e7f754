internal import Host
import ArgumentParser
import Evaluation
import ExpertParallel
import Foundation
import Tensors
import Training

/// `occult study`: the whole comparison.
struct StudyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "study",
    abstract: "Profile, place, fine-tune every arm, evaluate the matrix, and write table and report.",
    discussion: """
      Example: occult study recipes/quickstart.yaml schedule.max_steps=40 output=runs/short

      Results are kept: the same command redoes only what changed, and goes on where it was interrupted.
      """)

  @OptionGroup var options: RecipeOptions

  @Flag(help: "Remove an earlier study in the output folder first.")
  var overwrite = false

  @OptionGroup var output: OutputOptions

  func run() throws {
    let ranks = try RankGroup.join()
    try ranks.session { try run(ranks) }
  }

  private func run(_ ranks: any Communicator) throws {
    let recipe = try ranks.together {
      let recipe = try options.load(.study)
      try ranks.check(devices: recipe.routing.devices)
      return recipe
    }
    ranks.check(nodes: recipe.parallel.nodes, hosts: ranks.hosts())
    options.useThreads(recipe)
    if ranks.rank == 0 {
      StopSignal.onEnd(say: "stopped; what is measured is kept; to go on:\n  \(options.commandLine("study"))")
    }
    do {
      let isFirst = ranks.rank == 0
      let study = try ranks.together {
        try StudyRunner(
          recipe, program: Program.name,
          console: StudyRunner.Console(
            say: { if isFirst { note($0) } },
            progress: { ProgressLine(label: $0, total: $1, unit: $2, output: isFirst ? .standardError : .nowhere) },
            isStopRequested: { StopSignal.isRequested }), ranks: ranks)
      }
      guard let (comparison, tasks) = try study.run(overwrite: overwrite) else { return }
      if output.json {
        OutputOptions.print(json: String(decoding: try comparison.json(), as: UTF8.self))
      } else {
        print(ComparisonTable(comparison).plain.trimmingCharacters(in: .newlines))
        print("\n\(comparison.headline)\n")
        for sentence in comparison.verdict { print(wrapped(sentence, at: 120)) }
        if let tasks {
          print("\n" + QualityTable(tasks).plain)
          print("\(tasks.headline)\n")
          for sentence in tasks.verdict { print(wrapped(sentence, at: 120)) }
        }
        print("\n\(study.results.comparison)\n\(study.results.report)")
      }
    } catch let error as StudyError {
      guard case .stopped = error, let code = StopSignal.exitCode else { throw error }
      note("\(error)")
      throw ExitCode(code)
    }
  }
}
