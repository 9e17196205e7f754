import ArgumentParser
import Checkpoint
import Evaluation
import ExpertParallel
import Foundation
import Models
import Training

/// Evaluation tasks and where their data is.
struct TaskOptions: ParsableArguments {
  @Option(
    name: .customLong("tasks"),
    help: ArgumentHelp("Tasks, groups or task files to score.", valueName: "name,name"),
    transform: { $0.split(separator: ",").map { String($0) } })
  var names: [String] = []

  @Option(help: "Folder of the tasks' data; folders in it are searched as well.", completion: .directory)
  var taskData: String?

  @Option(help: "Folder of task files beside those of the program.", completion: .directory)
  var taskFolder: String?

  @Option(help: "Examples before each question; each task's own number if left out.")
  var shots: Int?

  func validate() throws {
    if names.isEmpty, taskData ?? taskFolder != nil || shots != nil {
      throw ValidationError(
        "--task-data, --task-folder, --shots: expected --tasks beside them, found none; try --tasks piqa")
    }
    if !names.isEmpty, taskData == nil {
      throw ValidationError("--tasks: expected --task-data, the folder of their data, found none; try --task-data data")
    }
    if let shots, shots < 0 { throw ValidationError("--shots: expected at least 0, found \(shots)") }
  }

  /// Reads and checks the tasks' data; nil without tasks.
  func load(limit: Int?, _ ranks: any Communicator) throws -> TaskSet? {
    guard !names.isEmpty, let taskData else { return nil }
    let set = try TaskSet(
      names, catalog: try TaskCatalog(folder: taskFolder), folder: taskData, limit: limit, shots: shots)
    if !set.missing.isEmpty, ranks.rank == 0 {
      logger.warning(
        "\(taskData): no data of \(set.missing.count) tasks, which are left out of their groups: \(set.missing.joined(separator: ", "))"
      )
    }
    return set
  }

  /// Scores the tasks.
  func score(
    _ tasks: TaskSet, _ files: ModelFiles, _ model: LanguageModel, _ routing: RoutingSettings?, batchTokens: Int,
    _ ranks: any Communicator
  ) throws -> (evaluation: TaskEvaluation, model: HarnessFiles.Model) {
    let (tokenizer, end) = try TrainingData.tokenizer(of: files)
    let line =
      ranks.rank == 0 ? ProgressLine(label: "evaluate", total: tasks.documents, unit: "documents") : nil
    let evaluation = try TaskEvaluation(
      tasks, model: model, tokenizer: tokenizer, endOfText: end, routing: routing, batchTokens: batchTokens,
      ranks: ranks
    ) { line?.update($0, note: $1) }
    line?.finish()
    for (task, documents) in evaluation.truncated where ranks.rank == 0 {
      logger.warning(
        """
        \(task): \(documents) prompts are longer than the model's context of \(files.configuration.maxPositions) tokens \
        and were cut at the left; fewer --shots avoid that
        """)
    }
    return (
      evaluation, HarnessFiles.Model(path: files.path, model: model, tokenizer: tokenizer, endOfText: end)
    )
  }
}
