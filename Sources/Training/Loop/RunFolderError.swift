/// A run folder that cannot be used: what stands in the way and what to try.
public enum RunFolderError: Error, Equatable, CustomStringConvertible {
  /// The folder holds a run and nobody said what to do with it.
  case exists(path: String)
  /// `--resume` on a folder without a checkpoint.
  case nothingToResume(path: String, found: String)
  /// A file that a run goes on from is there and cannot be read.
  case unreadable(path: String, found: String)
  /// `--resume` with a recipe that differs where it matters.
  case changed(path: String, keys: [String])
  /// The data, and with it the order of batches, is not what the run was trained on.
  case otherData(path: String, expected: String, found: String)
  /// A file in the folder belongs to another run than the folder itself.
  case otherRun(path: String, expected: String, found: String)
  /// A checkpoint says what no run of this recipe can have come to.
  case state(path: String, item: String, expected: String, found: String)
  /// A run that cannot be made longer.
  case `extension`(path: String, expected: String, found: String, advice: String)
  /// The record of steps does not lead up to the checkpoint.
  case record(path: String, line: Int, expected: String, found: String)

  /// The message for a person.
  public var description: String {
    switch self {
    case .exists(let path):
      "\(path): expected a new folder, found one that exists; try --resume to go on, --overwrite to begin anew, or another "
        + "output=…"
    case .nothingToResume(let path, let found):
      "\(path): expected a run to resume, found \(found); try without --resume, with --overwrite if the folder exists"
    case .unreadable(let path, let found):
      "\(path): expected the recipe that the run began with, found \(found); try again when it can be read"
    case .changed(let path, let keys):
      "\(path): expected the recipe that the run began with, found changes:\n  " + keys.joined(separator: "\n  ")
        + "\ntry the old values, or another output=… for a new run"
        + (Self.areLengths(keys) ? ", or --extend to train on for more steps" : "")
    case .otherData(let path, let expected, let found):
      "\(path): expected the order of batches \(expected) that the run began with, found \(found); "
        + "try the data files as they were"
    case .otherRun(let path, let expected, let found):
      "\(path): expected a file of run \(expected), to which the folder belongs, found one of \(found); "
        + "try the files as one run wrote them, or another output=… for a new run"
    case .state(let path, let item, let expected, let found):
      "\(path) \(item): expected \(expected), found \(found); try the file as the run wrote it, or an earlier checkpoint "
        + "after moving this one away"
    case .extension(let path, let expected, let found, let advice):
      "\(path): expected \(expected) to train on from, found \(found); try \(advice)"
    case .record(let path, let line, let expected, let found):
      "\(path):\(line): expected \(expected), found \(found); try the file as the run wrote it, or another output=… for a "
        + "new run"
    }
  }

  /// Whether all changes are of how long the run is.
  private static func areLengths(_ changes: [String]) -> Bool {
    changes.allSatisfy { change in Recipe.Difference.lengthKeys.contains { change.hasPrefix($0 + ":") } }
  }
}
