import Foundation

/// Why a folder cannot be written, or not be cleaned: data first, words once.
package enum FolderError: Error, Equatable, CustomStringConvertible {
  /// Something has that name.
  case exists(path: String)
  /// The folder has no marker of ours, and something lies in it.
  case unmarked(path: String, found: [String])
  /// The folder is ours, and something lies in it that this kind of folder never has.
  case strangers(path: String, kind: OutputFolder.Kind, found: [String])
  /// The folder is ours, of another kind.
  case otherKind(path: String, expected: OutputFolder.Kind, found: OutputFolder.Kind)
  /// The folder is one that is never cleaned, whatever it holds.
  case protected(path: String, what: String)
  /// Another program writes there.
  case inUse(path: String, holder: String)
  /// The system refused.
  case system(path: String, action: String, code: Int32)

  /// `where: expected …, found …; try …`.
  package var description: String {
    switch self {
    case .exists(let path):
      "\(path): expected a new name, found something there; try another name, or --overwrite"
    case .unmarked(let path, let found):
      "\(path): expected a new folder or one that this program wrote, found no \(OutputFolder.markerName) in it but "
        + "\(Self.list(found)); nothing was touched; try another folder, or remove these yourself"
    case .strangers(let path, let kind, let found):
      "\(path): expected nothing but the files of \(kind.words), found \(Self.list(found)); nothing was touched; "
        + "try moving that away, or another folder"
    case .otherKind(let path, let expected, let found):
      "\(path): expected \(expected.words), found \(found.words); nothing was touched; try another folder"
    case .protected(let path, let what):
      "\(path): expected a folder that may be emptied, found \(what); nothing was touched; try another folder"
    case .inUse(let path, let holder):
      "\(path): expected a folder that nobody else writes, found one in use by \(holder); "
        + "try again when that has ended, or another folder"
    case .system(let path, let action, let code):
      "\(path): expected to \(action), found '\(String(cString: strerror(code)))'; try another folder"
    }
  }

  /// The system's last refusal.
  package static func last(_ path: String, _ action: String) -> FolderError {
    .system(path: path, action: action, code: errno)
  }

  private static func list(_ names: [String]) -> String {
    let shown = names.prefix(5).map { "'\($0)'" }.joined(separator: ", ")
    return names.count > 5 ? shown + " and \(names.count - 5) more" : shown
  }
}
