internal import Foundation
internal import Text

/// A task with its documents.
struct LoadedTask: Sendable {
  let definition: TaskDefinition
  /// The file of its rows.
  let file: String
  /// Rows of that file.
  let available: Int
  /// Examples before each question.
  let shots: Int
  /// The file of its examples; nil without any.
  let exampleFile: String?
  /// What is asked, in the order of the file.
  let documents: [TaskDocument]
}

/// What to evaluate: tasks with their data, read and checked as a whole before a model is run.
public struct TaskSet: Sendable {
  let tasks: [LoadedTask]
  /// Tasks of a group whose data is not there.
  public let missing: [String]

  /// Documents of all tasks.
  public var documents: Int { tasks.reduce(0) { $0 + $1.documents.count } }

  /// Whether answers of one of them are generated.
  public var generates: Bool { tasks.contains { $0.definition.output == .generate } }

  /// Names of the tasks.
  public var names: [String] { tasks.map(\.definition.name) }

  /// Reads the tasks' data.
  ///
  /// - Parameters:
  ///   - names: Tasks, groups, or paths of task files.
  ///   - catalog: The tasks that are known.
  ///   - folder: Where their data is: the folder itself and the folders in it are searched.
  ///   - limit: Most documents of each task, the first ones; nil for all.
  ///   - shots: Examples before each question; nil for each task's own number.
  /// - Throws: ``TaskCatalogError``, ``TaskDataError``, `DataError`, `RecipeError`.
  public init(_ names: [String], catalog: TaskCatalog, folder: String, limit: Int? = nil, shots: Int? = nil) throws {
    var catalog = catalog
    var (loaded, missing): ([LoadedTask], [String]) = ([], [])
    var firstMissing: TaskDataError?
    let finder = DataFinder(folder: folder)
    for definition in try catalog.tasks(named: names) {
      guard let file = finder.file(definition.files) else {
        let error = TaskDataError.missing(
          task: definition.name, split: definition.split, folder: folder, expected: definition.files)
        // A subject may be missing of a group; what was asked for by its own name may not.
        if definition.groups.isEmpty || names.contains(definition.name) { throw error }
        firstMissing = firstMissing ?? error
        missing.append(definition.name)
        continue
      }
      loaded.append(try Self.load(definition, file, finder, limit: limit, shots: shots ?? definition.shots))
    }
    if loaded.isEmpty, let firstMissing { throw firstMissing }
    (tasks, self.missing) = (loaded, missing)
  }

  private static func load(
    _ definition: TaskDefinition, _ file: String, _ finder: DataFinder, limit: Int?, shots: Int
  ) throws -> LoadedTask {
    let rows = try TaskRows(file: file)
    let builder = try DocumentBuilder(definition, rows)
    let isRolling = definition.output == .rolling
    let (description, shots) = isRolling ? ("", 0) : (definition.description, shots)
    var sampler: ExampleSampler?
    var exampleFile: String?
    if shots > 0 {
      guard let own = definition.exampleFiles.isEmpty ? file : finder.file(definition.exampleFiles) else {
        throw TaskDataError.missing(
          task: definition.name, split: "examples", folder: finder.folder, expected: definition.exampleFiles)
      }
      let examples = own == file ? rows : try TaskRows(file: own)
      sampler = try ExampleSampler(definition, examples, count: shots, areQuestions: own == file)
      exampleFile = own
    }
    var documents: [TaskDocument] = []
    for (id, row) in rows.rows.prefix(limit ?? .max).enumerated() {
      let prefix = description + (sampler?.examples(before: row) ?? "")
      documents.append(try builder.document(row, id: id, prefix: prefix))
    }
    return LoadedTask(
      definition: definition, file: file, available: rows.rows.count, shots: shots, exampleFile: exampleFile,
      documents: documents)
  }
}

/// Finds data files in a folder and in the folders in it.
private struct DataFinder {
  let folder: String
  private let folders: [String]

  init(folder: String) {
    self.folder = folder
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    folders = [folder] + names.sorted().map { folder + "/" + $0 }
  }

  /// The first candidate that exists.
  func file(_ candidates: [String]) -> String? {
    for candidate in candidates {
      for folder in folders {
        var isFolder: ObjCBool = false
        let path = folder + "/" + candidate
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue { return path }
      }
    }
    return nil
  }
}
