internal import Files
internal import Formats
internal import Checkpoint
internal import Foundation
internal import TaskFiles
internal import Text
internal import Training

/// The tasks that can be named: those of the program, and those of a folder of task files, which come first.
public struct TaskCatalog: Sendable {
  private var tasks: [TaskDefinition] = []

  /// Reads the task files.
  ///
  /// - Parameter folder: A folder of further task files; nil for none.
  /// - Throws: `RecipeError` with everything that is wrong; ``TaskCatalogError``.
  public init(folder: String? = nil) throws {
    if let folder {
      guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
        throw TaskCatalogError.noFolder(path: folder)
      }
      for name in names.sorted() where name.hasSuffix(".yaml") || name.hasSuffix(".yml") {
        try add(file: folder + "/" + name)
      }
    }
    for (name, bytes) in TaskFiles.all {
      tasks += try TaskDefinition.parse(String(decoding: bytes, as: UTF8.self), file: "recipes/tasks/\(name).yaml")
    }
  }

  private mutating func add(file: String) throws {
    tasks += try TaskDefinition.parse(try TextFile.read(file), file: file)
  }

  /// Every name that can be asked for, groups included, in order and without repetition.
  public var names: [String] {
    var seen: Set<String> = []
    return tasks.flatMap { $0.groups.map(\.name) + [$0.name] }.filter { seen.insert($0).inserted }
  }

  /// The tasks of some names, each once.
  ///
  /// - Parameter names: Tasks, groups, or paths of task files.
  /// - Returns: Their definitions.
  /// - Throws: ``TaskCatalogError`` with the nearest name; `RecipeError` for a file that is wrong.
  mutating func tasks(named names: [String]) throws -> [TaskDefinition] {
    var found: [TaskDefinition] = []
    for name in names {
      var chosen = tasks.filter { $0.name == name }.prefix(1).map { $0.within(nil) }
      if chosen.isEmpty {
        chosen = tasks.filter { task in task.groups.contains { $0.name == name } }.map { $0.within(name) }
      }
      if chosen.isEmpty, name.hasSuffix(".yaml") || name.hasSuffix(".yml") {
        let before = tasks.count
        try add(file: name)
        chosen = Array(tasks[before...])
      }
      guard !chosen.isEmpty else {
        let known = self.names
        throw TaskCatalogError.unknown(name: name, nearest: Spelling.nearest(to: name, in: known), known: known)
      }
      for task in chosen where !found.contains(where: { $0.name == task.name }) { found.append(task) }
    }
    return found
  }
}

extension TaskDefinition {
  /// The task as a member of a group that was asked for, and of the groups in that one; of none where it was asked for
  /// itself.
  fileprivate func within(_ group: String?) -> TaskDefinition {
    var task = self
    task.groups = Array(groups.drop { $0.name != group })
    return task
  }
}

/// Why a task cannot be found.
public enum TaskCatalogError: Error, Equatable, CustomStringConvertible {
  /// There is no such folder.
  case noFolder(path: String)
  /// There is no task of the name.
  case unknown(name: String, nearest: String?, known: [String])

  /// The message for a person.
  public var description: String {
    switch self {
    case .noFolder(let path): "\(path): expected a folder of task files, found none; try recipes/tasks"
    case .unknown(let name, let nearest, let known):
      "tasks: expected a task or a task file, found '\(name)'; "
        + (nearest.map { "did you mean '\($0)'?" }
          ?? "try " + known.filter { !$0.hasPrefix("mmlu_") }.joined(separator: ", "))
    }
  }
}
