public import Files
internal import Formats
internal import Checkpoint
internal import Foundation
internal import Text

/// A recipe file in a folder of recipes.
public struct RecipeEntry: Sendable, Equatable, Encodable {
  /// Path below the folder without its ending: `olmoe/finetune`.
  public let name: String
  /// The file.
  public let path: String
  /// What it does: the first sentence of its heading.
  public let purpose: String
}

/// The recipes of a folder, at any depth.
public enum RecipeLibrary {
  /// Files that end in `.yaml` or `.yml`, in the order of their names' bytes; `topologies`, which `occult plan` reads, and
  /// `tasks`, which `occult evaluate` reads, are no recipes.
  ///
  /// - Parameter folder: Where to look.
  /// - Returns: One entry a file.
  /// - Throws: ``RecipeLibraryError/noFolder(path:)``.
  public static func entries(in folder: String) throws(RecipeLibraryError) -> [RecipeEntry] {
    guard RecipeFiles.isFile(folder) == false, let walk = FileManager.default.enumerator(atPath: folder) else {
      throw .noFolder(path: folder)
    }
    let files = walk.compactMap { $0 as? String }.filter {
      ($0.hasSuffix(".yaml") || $0.hasSuffix(".yml")) && !$0.hasPrefix("topologies/") && !$0.hasPrefix("tasks/")
    }
    return files.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { file in
      let path = folder + "/" + file
      return RecipeEntry(
        name: String(file[..<(file.lastIndex(of: ".") ?? file.endIndex)]), path: path, purpose: purpose(of: path))
    }
  }

  /// The recipe of a name, or a path to one.
  ///
  /// - Parameters:
  ///   - name: As ``RecipeEntry/name``, or a file.
  ///   - folder: Where to look for names.
  /// - Returns: The path of the file.
  /// - Throws: ``RecipeLibraryError`` with the nearest name.
  public static func path(of name: String, in folder: String) throws(RecipeLibraryError) -> String {
    if RecipeFiles.isFile(name) == true { return name }
    let entries = try entries(in: folder)
    if let entry = entries.first(where: { $0.name == name }) { return entry.path }
    let names = entries.map(\.name)
    throw .unknown(name: name, folder: folder, nearest: Spelling.nearest(to: name, in: names), known: names)
  }

  /// The text of a recipe, comments included.
  ///
  /// - Throws: ``RecipeLibraryError/unreadable(path:reason:)``.
  public static func text(of path: String) throws(RecipeLibraryError) -> String {
    do {
      return try YAMLFile.text(path)
    } catch {
      throw .unreadable(path: path, reason: error.found)
    }
  }

  /// Copies a recipe with its comments; no file is replaced. Paths that count from the recipe's folder and lead to something are
  /// written anew, so that they lead there from the copy's.
  ///
  /// - Parameters:
  ///   - path: The recipe.
  ///   - destination: A file that does not exist, or a folder.
  /// - Returns: The file written.
  /// - Throws: ``RecipeLibraryError``.
  public static func copy(_ path: String, to destination: String) throws(RecipeLibraryError) -> String {
    let name = (path as NSString).lastPathComponent
    let file = RecipeFiles.isFile(destination) == false ? destination + "/" + name : destination
    if RecipeFiles.isFile(file) != nil { throw .exists(path: file) }
    let text = RecipePaths.moved(try text(of: path), from: path, to: file)
    do {
      try TextFile.write(text, to: file)
    } catch {
      throw .unwritable(error)
    }
    return file
  }

  /// The comment lines at the top that stand after `What:`, up to the first full stop or colon.
  private static func purpose(of path: String) -> String {
    let lines = ((try? text(of: path)) ?? "").split(separator: "\n").prefix { $0.hasPrefix("#") }
    let heading = lines.map { $0.drop { $0 == "#" || $0 == " " } }.joined(separator: " ")
    guard let start = heading.range(of: "What:")?.upperBound else { return "" }
    let rest = heading[start...].drop { $0 == " " }
    let end = [". ", ": ", "; "].compactMap { rest.range(of: $0)?.lowerBound }.min() ?? rest.endIndex
    return String(rest[..<end])
  }
}

/// A folder of recipes, or one in it, that cannot be used.
public enum RecipeLibraryError: Error, Equatable, CustomStringConvertible {
  /// There is no such folder.
  case noFolder(path: String)
  /// There is no recipe of the name.
  case unknown(name: String, folder: String, nearest: String?, known: [String])
  /// Something is there already.
  case exists(path: String)
  /// The system refused.
  case unreadable(path: String, reason: String)
  /// A copy cannot be written.
  case unwritable(FileError)

  /// The message for a person.
  public var description: String {
    switch self {
    case .noFolder(let path): "\(path): expected a folder of recipes, found none; try --folder"
    case .unknown(let name, let folder, let nearest, let known):
      "\(name): expected a recipe in '\(folder)' or a file, found neither; try "
        + (nearest.map { "'\($0)'" } ?? known.joined(separator: ", "))
    case .exists(let path): "\(path): expected a new file, found one that exists; try another name"
    case .unreadable(let path, let reason): "\(path): expected to read it, found '\(reason)'; try another path"
    case .unwritable(let error): error.description
    }
  }
}
