internal import Formats
internal import Foundation
internal import Text

/// Paths of a recipe: where they start, whether they exist, whether held-out files are held out.
enum RecipeFiles {
  /// `path` from `folder`, without `.` and `..`.
  static func absolute(_ path: String, from folder: String) -> String {
    let full =
      path.hasPrefix("/") ? path : path.hasPrefix("~/") ? NSHomeDirectory() + path.dropFirst() : folder + "/" + path
    var parts: [Substring] = []
    for part in full.split(separator: "/") where part != "." {
      if part == ".." {
        if !parts.isEmpty { parts.removeLast() }
      } else {
        parts.append(part)
      }
    }
    return "/" + parts.joined(separator: "/")
  }

  static func folder(of absolute: String) -> String {
    absolute.lastIndex(of: "/").map { $0 == absolute.startIndex ? "/" : String(absolute[..<$0]) } ?? "/"
  }

  private static func name(of path: String) -> String {
    path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
  }

  /// A path of `data` or `routing.placement`: text of the file counts from its folder, arguments from the working folder.
  static func resolve(_ path: String, at position: RecipePosition, _ reader: RecipeReader) -> String {
    if case .argument = position { return absolute(path, from: reader.folders.working) }
    return absolute(path, from: reader.folders.recipe)
  }

  /// The files that `pattern` names, sorted by their bytes; without `*`, `?` and `[` itself, whether it exists or not.
  static func expand(_ pattern: String) -> [String] {
    if !pattern.contains(where: { "*?[".contains($0) }) { return [pattern] }
    return (try? DataSource(paths: [pattern], format: .text).files()) ?? []
  }

  /// `true` for a file, `false` for a folder, `nil` for nothing.
  static func isFile(_ path: String) -> Bool? {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { return nil }
    return !isFolder.boolValue
  }

  /// The file in the same folder with the most similar name.
  static func nearest(to path: String) -> String? {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder(of: path))) ?? []
    return Spelling.nearest(to: name(of: path), in: names.sorted())
  }

  static func checkModel(_ written: String, in section: RecipeSection) {
    let path = absolute(written, from: section.reader.folders.working)
    guard isFile(path) == nil else { return }
    let hint = nearest(to: path).map { "; did you mean '\($0)'?" } ?? ""
    section.report(
      "model",
      "expected a checkpoint or a Hugging Face folder, found no '\(written)' in the working folder "
        + "\(section.reader.folders.working)\(hint)")
  }

  static func checkFile(_ path: String, written: String, key: String, in section: RecipeSection) {
    switch isFile(path) {
    case true?: break
    case false?: section.report(key, "expected a file, found the folder '\(written)'; try '\(written)/*'")
    case nil:
      let hint = nearest(to: path).map { "; did you mean '\($0)'?" } ?? ""
      section.report(key, "expected a file, found no '\(name(of: path))' in \(folder(of: path))\(hint)")
    }
  }

  /// A data source: every match of a glob is a file, and there is at least one.
  static func checkSource(_ path: String, written: String, key: String, in section: RecipeSection) {
    let paths = expand(path)
    if paths.isEmpty {
      section.report("path", "expected files, found none that match '\(path)'")
    } else if paths == [path] {
      checkFile(path, written: written, key: "path", in: section)
    }
    section.reader.files.append((key, paths, section.position(of: "path")))
  }

  /// Reports files that are trained on or profiled and held out at once.
  static func checkDisjoint(_ reader: RecipeReader) {
    let heldOut = ["data.validation", "data.test", "data.retention"]
    let rivals = [
      "data.train": heldOut, "data.profile": heldOut, "data.validation": ["data.test", "data.retention"],
    ]
    let real = { (path: String) in URL(fileURLWithPath: path).resolvingSymlinksInPath().path }
    for used in reader.files {
      let paths = Set(used.paths.map(real))
      for other in reader.files where rivals[used.key, default: []].contains(other.key) {
        guard let shared = other.paths.map(real).first(where: paths.contains) else { continue }
        reader.report(
          other.key, other.position, "expected held-out data, found '\(name(of: shared))', which \(used.key) has too")
      }
    }
  }
}

extension Recipe.Source {
  /// The files of this source, sorted by their bytes; empty when a glob matches nothing.
  public func files() -> [String] { RecipeFiles.expand(path) }
}
