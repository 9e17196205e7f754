package import Files
internal import Checkpoint
internal import Foundation

/// The files of one fine-tuning run.
///
/// The folder carries the marker of ``OutputFolder`` with the run's identity, which `recipe.yaml`, every line of
/// `metrics.jsonl`, every `step-N.h5` and `summary.json` repeat: what goes on is one run, not parts of two.
public struct RunFolder: Sendable, Equatable {
  /// The folder.
  public let path: String

  /// A folder by its path; nothing is touched.
  public init(_ path: String) { self.path = path }

  /// The resolved recipe, below a comment with the run's identity.
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

  /// Every name that a run writes; `.dat.nosync…` is what version 0.1 left of a file when it was killed.
  package static let layout = FolderLayout([
    "recipe.yaml", "metrics.jsonl", "events.out.tfevents.*", "final.h5", "best.h5", "summary.json", "arm.json",
    "checkpoints/step-*.h5", ".dat.nosync*",
  ]).adding(FolderLayout(["**/results_*.json", "**/samples_*.jsonl"]), under: "tasks")

  /// The folder as one that is marked, locked and emptied.
  package var output: OutputFolder { OutputFolder(path, kind: .run, layout: Self.layout) }

  /// The checkpoint after `step` steps.
  public func checkpoint(step: Int) -> String { checkpoints + "/step-\(step).h5" }

  /// How a run treats a folder that exists.
  public enum Mode: String, Sendable {
    /// An error.
    case new
    /// The run in it is removed first.
    case overwrite
    /// The run in it goes on.
    case resume
    /// It is ready: somebody has prepared it.
    case prepared

    fileprivate var folderMode: OutputFolder.Mode {
      switch self {
      case .new: .new
      case .overwrite: .overwrite
      case .resume, .prepared: .resume
      }
    }
  }

  /// Steps that have a complete checkpoint, ascending.
  ///
  /// - Throws: `FolderError` where they cannot be listed.
  public func savedSteps() throws -> [Int] {
    try FolderContents.names(in: checkpoints).compactMap { name in
      guard name.hasPrefix("step-"), name.hasSuffix(".h5") else { return nil }
      return Int(name.dropFirst(5).dropLast(3))
    }.sorted()
  }

  /// Whether a run may use the folder, without touching it.
  ///
  /// - Parameter mode: What to do where it exists.
  /// - Returns: The mode, but `.overwrite` for a run that is to go on and ended before it had a checkpoint or a
  ///   summary: it begins anew.
  /// - Throws: ``RunFolderError``, `FolderError`, `FileError`.
  @discardableResult
  public func check(_ mode: Mode) throws -> Mode {
    var mode = mode
    if mode == .resume, try savedSteps().isEmpty {
      let exists = FileManager.default.fileExists(atPath: path)
      if !exists { throw RunFolderError.nothingToResume(path: path, found: "nothing there") }
      if FileManager.default.fileExists(atPath: summary) {
        throw RunFolderError.nothingToResume(path: path, found: "a finished run without a checkpoint")
      }
      guard try output.isMarked else { throw RunFolderError.nothingToResume(path: path, found: "no checkpoint in it") }
      mode = .overwrite
    }
    if mode == .new, try output.isMarked, try !output.isFresh { throw RunFolderError.exists(path: path) }
    try output.check(mode.folderMode)
    var ancestor = URL(fileURLWithPath: path)
    while !FileManager.default.fileExists(atPath: ancestor.path), ancestor.path != "/" {
      ancestor.deleteLastPathComponent()
    }
    guard access(ancestor.path + "/.", W_OK | X_OK) == 0 else {
      throw FolderError.system(path: path, action: "write here", code: errno)
    }
    return mode
  }

  /// Keeps others away from the folder as long as the result lives; what is in it stays.
  ///
  /// - Returns: The lock.
  /// - Throws: `FolderError`.
  package func lock() throws -> FolderLock { try output.lock(purpose: Self.purpose) }

  private static let purpose = "fine-tuning"

  /// Makes the folder ready and keeps others away from it as long as the result lives.
  ///
  /// - Parameters:
  ///   - mode: What to do where it exists.
  ///   - program: Name and version of the program.
  ///   - lock: The folder's, where the caller holds it already.
  /// - Returns: Marker and lock.
  /// - Throws: ``RunFolderError``, `FolderError`, `FileError`.
  package func claim(_ mode: Mode, program: String, lock: FolderLock? = nil) throws -> OutputFolder.Claim {
    guard try check(mode) == mode else {
      throw RunFolderError.nothingToResume(path: path, found: "no checkpoint in it")
    }
    let claim = try output.claim(mode.folderMode, purpose: Self.purpose, program: program, lock: lock)
    try OutputFolder.makeFolders(checkpoints)
    return claim
  }

  /// Makes the best model the result; it stays where it is, for a run that is resumed.
  ///
  /// - Throws: `FileError`.
  func finishWithBest() throws { try PendingFile.copy(best, to: final) }

  /// Removes checkpoints but the newest `keep`, and what a killed writer left of one.
  ///
  /// - Throws: `FolderError`.
  public func rotate(keep: Int) throws {
    var names = try savedSteps().dropLast(max(keep, 1)).map { checkpoint(step: $0) }
    names += try FolderContents.names(in: checkpoints).filter { $0.hasSuffix(".h5.tmp") }
      .map { checkpoints + "/" + $0 }
    for name in names where unlink(name) != 0 && errno != ENOENT {
      throw FolderError.system(path: name, action: "remove an old checkpoint", code: errno)
    }
  }
}
