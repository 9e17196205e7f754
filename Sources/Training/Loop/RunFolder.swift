internal import Foundation

/// A run folder that cannot be used: what stands in the way and what to try.
public enum RunFolderError: Error, Equatable, CustomStringConvertible {
  /// The folder exists and nobody said what to do with it.
  case exists(path: String)
  /// `--resume` on a folder without a checkpoint.
  case nothingToResume(path: String, found: String)
  /// `--resume` with a recipe that differs where it matters.
  case changed(path: String, keys: [String])
  /// The system refused.
  case system(path: String, action: String, reason: String)
  /// `--overwrite` on something that no run has written.
  case notARun(path: String)
  /// The data, and with it the order of batches, is not what the run was trained on.
  case otherData(path: String, expected: String, found: String)

  /// The message for a person.
  public var description: String {
    switch self {
    case .exists(let path):
      "\(path): expected a new folder, found one that exists; try --resume to go on, --overwrite to begin anew, or another "
        + "output=…"
    case .nothingToResume(let path, let found):
      "\(path): expected a run to resume, found \(found); try without --resume, with --overwrite if the folder exists"
    case .notARun(let path):
      "\(path): expected an earlier run to overwrite, found something else; try another output=…, or remove it yourself"
    case .changed(let path, let keys):
      "\(path): expected the recipe that the run began with, found changes:\n  " + keys.joined(separator: "\n  ")
        + "\ntry the old values, or another output=… for a new run"
    case .system(let path, let action, let reason):
      "\(path): expected to \(action), found '\(reason)'; try another folder"
    case .otherData(let path, let expected, let found):
      "\(path): expected the order of batches \(expected) that the run began with, found \(found); "
        + "try the data files as they were"
    }
  }
}

/// The files of one fine-tuning run.
public struct RunFolder: Sendable, Equatable {
  /// The folder.
  public let path: String

  /// A folder by its path; nothing is touched.
  public init(_ path: String) { self.path = path }

  /// The resolved recipe.
  public var recipe: String { path + "/recipe.yaml" }
  /// Metrics by step.
  public var metrics: String { path + "/metrics.jsonl" }
  /// The result.
  public var final: String { path + "/final.h5" }
  /// The model of the best validation so far, where the recipe keeps it.
  public var best: String { path + "/best.h5" }
  /// What the result scored on the recipe's tasks.
  public var tasks: String { path + "/tasks" }
  /// What the run did, in numbers.
  public var summary: String { path + "/summary.json" }
  private var checkpoints: String { path + "/checkpoints" }

  /// The checkpoint after `step` steps.
  public func checkpoint(step: Int) -> String { checkpoints + "/step-\(step).h5" }

  /// How a run treats a folder that exists.
  public enum Mode: String, Sendable {
    /// An error.
    case new
    /// It is removed first.
    case overwrite
    /// The run in it goes on.
    case resume
    /// It is ready: somebody has prepared it.
    case prepared
  }

  /// Steps that have a complete checkpoint, ascending.
  public func savedSteps() -> [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: checkpoints)) ?? []
    return names.compactMap { name in
      guard name.hasPrefix("step-"), name.hasSuffix(".h5") else { return nil }
      return Int(name.dropFirst(5).dropLast(3))
    }.sorted()
  }

  /// Whether a run may use the folder, without touching it.
  ///
  /// - Parameter mode: What to do where it exists.
  /// - Throws: ``RunFolderError``.
  public func check(_ mode: Mode) throws(RunFolderError) {
    let manager = FileManager.default
    var isFolder: ObjCBool = false
    let exists = manager.fileExists(atPath: path, isDirectory: &isFolder)
    switch mode {
    case .new where exists: throw .exists(path: path)
    case .resume where savedSteps().isEmpty:
      throw .nothingToResume(path: path, found: exists ? "no checkpoint in it" : "nothing there")
    case .overwrite where exists:
      // A mistyped output must not cost somebody's files.
      let contents = (try? manager.contentsOfDirectory(atPath: path)) ?? []
      guard isFolder.boolValue, contents.isEmpty || contents.contains("checkpoints") else { throw .notARun(path: path) }
    default: break
    }
    var ancestor = URL(fileURLWithPath: path)
    while !manager.fileExists(atPath: ancestor.path), ancestor.path != "/" { ancestor.deleteLastPathComponent() }
    guard access(ancestor.path + "/.", W_OK | X_OK) == 0 else {
      throw .system(path: path, action: "write here", reason: String(cString: strerror(errno)))
    }
  }

  /// Makes the folder ready.
  ///
  /// - Parameter mode: What to do where it exists.
  /// - Throws: ``RunFolderError``.
  public func prepare(_ mode: Mode) throws(RunFolderError) {
    try check(mode)
    let manager = FileManager.default
    if mode == .overwrite, manager.fileExists(atPath: path) {
      do { try manager.removeItem(atPath: path) } catch {
        throw .system(path: path, action: "remove the old run", reason: error.localizedDescription)
      }
    }
    do {
      try manager.createDirectory(atPath: checkpoints, withIntermediateDirectories: true)
    } catch {
      throw .system(path: path, action: "create the folder", reason: error.localizedDescription)
    }
  }

  /// Writes a text file in one piece.
  ///
  /// - Parameters:
  ///   - text: What to write.
  ///   - file: Its path.
  /// - Throws: ``RunFolderError/system(path:action:reason:)``.
  public func write(_ text: String, to file: String) throws(RunFolderError) {
    do {
      try Data(text.utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
    } catch {
      throw .system(path: file, action: "write the file", reason: error.localizedDescription)
    }
  }

  /// Makes the best model the result; it stays where it is, for a run that is resumed.
  ///
  /// - Throws: ``RunFolderError/system(path:action:reason:)``.
  func finishWithBest() throws(RunFolderError) {
    let partial = final + ".tmp"
    do {
      try? FileManager.default.removeItem(atPath: partial)
      try FileManager.default.copyItem(atPath: best, toPath: partial)
    } catch {
      throw .system(path: best, action: "copy it to \(partial)", reason: error.localizedDescription)
    }
    guard rename(partial, final) == 0 else {
      throw .system(path: final, action: "replace it", reason: String(cString: strerror(errno)))
    }
  }

  /// Removes checkpoints but the newest `keep`, and what a killed writer left of one.
  public func rotate(keep: Int) {
    for step in savedSteps().dropLast(max(keep, 1)) {
      try? FileManager.default.removeItem(atPath: checkpoint(step: step))
    }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: checkpoints)) ?? []
    for name in names where name.hasSuffix(".h5.tmp") {
      try? FileManager.default.removeItem(atPath: checkpoints + "/" + name)
    }
  }
}
