import Foundation

/// Everything below a folder, links not followed.
package struct FolderContents {
  /// Names directly in it.
  private(set) var names: Set<String> = []
  /// Paths relative to it, folders behind what they hold.
  package private(set) var files: [String] = [], folders: [String] = []
  /// Links, devices and other things that we never write.
  private(set) var others: [String] = []

  /// Lists a folder; one that cannot be there yet is empty.
  ///
  /// - Throws: ``FolderError/system(path:action:code:)``, for instance where the path is a file.
  package init(_ path: String) throws(FolderError) {
    var status = stat()
    if lstat(path, &status) != 0, errno == ENOENT || errno == ENOTDIR { return }
    try list(path, below: "")
    names = Set((files + folders + others).filter { !$0.contains("/") })
  }

  /// Names in a folder in their order; none where it cannot be there yet.
  ///
  /// - Throws: ``FolderError/system(path:action:code:)`` where the folder is there and cannot be read.
  package static func names(in path: String) throws(FolderError) -> [String] {
    guard let folder = opendir(path) else {
      var status = stat()
      if errno == ENOENT, lstat(path, &status) != 0 { return [] }
      throw .last(path, "list the folder")
    }
    defer { closedir(folder) }
    var names: [String] = []
    errno = 0
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw .last(path, "list the folder") }
    return names.sorted()
  }

  private mutating func list(_ path: String, below prefix: String) throws(FolderError) {
    for name in try Self.names(in: path) {
      var status = stat()
      // What goes away while we look was not ours to remove.
      if lstat(path + "/" + name, &status) != 0 { continue }
      switch status.st_mode & S_IFMT {
      case S_IFREG: files.append(prefix + name)
      case S_IFDIR:
        try list(path + "/" + name, below: prefix + name + "/")
        folders.append(prefix + name)
      default: others.append(prefix + name)
      }
    }
  }
}

extension OutputFolder {
  /// Whether all that lies here is ours, and the place is one that may be emptied.
  package func checkMayBeEmptied(_ contents: FolderContents, isMarked: Bool) throws(FolderError) {
    if contents.names.subtracting(Self.own).isEmpty { return }
    guard isMarked else { throw .unmarked(path: path, found: contents.names.sorted()) }
    if let what = Self.protection(of: path) { throw .protected(path: path, what: what) }
    let strangers = strangers(contents)
    if !strangers.isEmpty { throw .strangers(path: path, kind: kind, found: strangers) }
  }

  /// What lies here and is not ours: paths relative to the folder.
  package func strangers(_ contents: FolderContents) -> [String] {
    let files = contents.files.filter { !Self.own.contains($0) && !layout.hasFile($0) }
    let folders = contents.folders.filter { folder in
      !layout.hasFolder(folder) && !files.contains { $0.hasPrefix(folder + "/") }
    }
    return (files + folders + contents.others).sorted()
  }

  /// Removes what is ours, file by file, after a look that everything is.
  ///
  /// - Parameter kept: Names directly in the folder that stay.
  /// - Throws: ``FolderError``.
  package func remove(keeping kept: Set<String>) throws(FolderError) {
    let contents = try FolderContents(path)
    let strangers = strangers(contents)
    if !strangers.isEmpty { throw .strangers(path: path, kind: kind, found: strangers) }
    for file in contents.files where !kept.contains(file) {
      guard unlink(path + "/" + file) == 0 || errno == ENOENT else { throw .last(path + "/" + file, "remove the file") }
    }
    for folder in contents.folders where !kept.contains(folder) {
      guard rmdir(path + "/" + folder) == 0 || errno == ENOENT else {
        throw .last(path + "/" + folder, "remove the folder")
      }
    }
  }

  /// Removes the folder, if all of it is ours; the marker goes last. A missing folder is no error.
  ///
  /// - Throws: ``FolderError``, `FileError`.
  package func remove() throws {
    let contents = try FolderContents(path)
    try checkMayBeEmptied(contents, isMarked: try FolderMarker(in: path)?.kind == kind)
    try remove(keeping: [Self.markerName])
    for name in [Self.markerName] where unlink(path + "/" + name) != 0 && errno != ENOENT {
      throw FolderError.last(path + "/" + name, "remove the file")
    }
    guard rmdir(path) == 0 || errno == ENOENT else { throw FolderError.last(path, "remove the folder") }
  }

  /// What makes a folder one that is never emptied: the working folder or one above it, a home, a repository, a link.
  package static func protection(of path: String) -> String? {
    var status = stat()
    if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK { return "a link" }
    guard let place = resolved(path) else { return nil }
    let manager = FileManager.default
    func contains(_ other: String) -> Bool { other == place || other.hasPrefix(place == "/" ? "/" : place + "/") }
    if resolved(manager.currentDirectoryPath).map(contains) ?? false { return "the working folder, or one above it" }
    let homes = [manager.homeDirectoryForCurrentUser.path, ProcessInfo.processInfo.environment["HOME"] ?? ""]
    if homes.compactMap(resolved).contains(where: contains) { return "a home folder, or one above it" }
    for name in [".git", ".hg", ".svn"] where manager.fileExists(atPath: place + "/" + name) {
      return "a repository (\(name))"
    }
    return nil
  }

  private static func resolved(_ path: String) -> String? {
    guard !path.isEmpty, let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}
