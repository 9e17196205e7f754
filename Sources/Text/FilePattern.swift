internal import Formats
internal import Foundation

/// Shell patterns for files.
enum FilePattern {
  /// The files a path or pattern stands for, ordered by their bytes whatever the locale.
  static func expand(_ path: String) throws(DataError) -> [String] {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
      if isFolder.boolValue { throw .folder(path: path) }
      return [path]
    }
    guard path.contains(where: { "*?[".contains($0) }) else {
      throw .missingFile(path: path, nearest: neighbour(of: path))
    }
    var result = glob_t()
    defer { globfree(&result) }
    var files: [String] = []
    if glob(path, 0, nil, &result) == 0 {
      for index in 0..<Int(result.gl_pathc) {
        guard let match = result.gl_pathv[index] else { continue }
        let file = String(cString: match)
        if FileManager.default.fileExists(atPath: file, isDirectory: &isFolder), !isFolder.boolValue {
          files.append(file)
        }
      }
    }
    guard !files.isEmpty else { throw .noMatch(pattern: path) }
    return files.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// A file of the same folder with almost this name.
  private static func neighbour(of path: String) -> String? {
    let url = URL(fileURLWithPath: path)
    let folder = url.deletingLastPathComponent().path
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return nil }
    return Spelling.nearest(to: url.lastPathComponent, in: names.sorted())
  }
}
