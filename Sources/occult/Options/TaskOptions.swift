import ArgumentParser
import Checkpoint
import Evaluation
import ExpertParallel
import Formats
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

  @Option(help: "Examples before each question; each task's own number if left out.", transform: count)
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
    if ranks.rank == 0 { set.warnOfMissing(taskData) }
    return set
  }
}

extension TaskSet {
  /// Says which tasks of a group have no data.
  func warnOfMissing(_ folder: String) {
    if missing.isEmpty { return }
    logger.warning(
      "\(folder): no data of \(counted(missing.count, "task")), which are left out of their groups: \(missing.joined(separator: ", "))"
    )
  }
}

extension TaskSuite {
  /// Scores a model with a progress line, and says which prompts were cut.
  func score(
    _ model: LanguageModel, _ routing: RoutingSettings?, _ files: ModelFiles, _ ranks: any Communicator
  ) throws -> TaskEvaluation {
    let line = ranks.rank == 0 ? ProgressLine(label: "evaluate", total: set.documents, unit: "documents") : nil
    let evaluation = try score(model, routing: routing, ranks: ranks) { line?.update($0, note: $1) }
    line?.finish()
    let cut = evaluation.truncated
    if !cut.isEmpty, ranks.rank == 0 {
      let documents = cut.reduce(0) { $0 + $1.documents }
      let list = cut.prefix(8).map { "\($0.task) \($0.documents)" }.joined(separator: ", ")
      logger.warning(
        """
        \(counted(documents, "prompt")) \(documents == 1 ? "is" : "are") longer than the model's context of \
        \(counted(files.configuration.maxPositions, "token")) and \(documents == 1 ? "was" : "were") cut at the left; \
        fewer --shots avoid that: \(list)\(cut.count > 8 ? " and \(cut.count - 8) more" : "")
        """)
    }
    return evaluation
  }
}
