internal import Files
internal import Checkpoint
internal import Foundation

/// The identity of a run, which every file of its folder repeats.
enum RunIdentity {
  private static let label = "# run "

  /// First line of `recipe.yaml`: a comment to whoever reads the recipe.
  static func line(_ identity: String) -> String { label + identity + "\n" }

  /// The identity in a recipe that a run wrote; nil where there is none.
  private static func identity(ofRecipe text: String) -> String? {
    guard let line = text.split(separator: "\n", maxSplits: 1).first, line.hasPrefix(label) else { return nil }
    return String(line.dropFirst(label.count))
  }

  /// Whether the files of a folder are of the run that the folder belongs to.
  ///
  /// - Parameters:
  ///   - marker: The folder's.
  ///   - saved: Identity in the newest checkpoint.
  ///   - checkpoint: Its path.
  ///   - recipe: Path of the recipe.
  ///   - summary: Path of the summary, which need not exist.
  /// - Throws: ``RunFolderError/otherRun(path:expected:found:)``, `FileError`.
  static func check(
    _ marker: FolderMarker, _ saved: String?, of checkpoint: String, recipe: String, summary: String
  ) throws {
    var found = [(checkpoint, saved), (recipe, identity(ofRecipe: try TextFile.read(recipe)))]
    if FileManager.default.fileExists(atPath: summary) { found.append((summary, try RunSummary(path: summary).run)) }
    for (path, identity) in found where identity != marker.identity && (identity != nil || !marker.isAdopted) {
      throw RunFolderError.otherRun(path: path, expected: marker.identity, found: identity ?? "no run")
    }
  }
}
