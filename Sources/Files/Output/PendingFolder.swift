import Foundation

/// A folder that appears as a whole: written beside its destination, then exchanged with what is there.
///
/// Whoever reads the destination sees all of the old folder or all of the new one. What a kill leaves lies beside it
/// under fixed names, `.name.partial` and, where the file system cannot exchange, `.name.old`; the next writer of the
/// same destination cleans up.
package final class PendingFolder {
  /// Where the folder will be.
  package let destination: String
  /// Where it is written.
  package let path: String
  private let old: String
  private let exchanges: Bool
  private var locks: [DirectoryLock] = []
  private var isPlaced = false

  /// Starts an empty folder.
  ///
  /// - Parameters:
  ///   - destination: Missing, empty, or with `overwrites` an exported folder that holds nothing else.
  ///   - overwrites: Whether that is replaced.
  ///   - exchanges: Whether two folders may change places in one step; false stands for a file system that cannot.
  /// - Throws: ``ConversionError/exists(path:)``, ``FolderError``, ``FileError``.
  package init(_ destination: String, overwrites: Bool, exchanges: Bool = true) throws {
    try Self.check(destination, overwrites: overwrites)
    let (partial, old) = try Self.siblings(of: destination)
    (self.destination, path, self.old, self.exchanges) = (Self.trimmed(destination), partial, old, exchanges)
    try OutputFolder.makeFolders(path)
    locks = [try DirectoryLock(path, of: destination)]
    try recover()
    // Again, now that nobody else changes it.
    try Self.check(destination, overwrites: overwrites)
    if Self.exists(self.destination) { locks.append(try DirectoryLock(self.destination, of: destination)) }
    try Self.leftovers(path).remove(keeping: [])
  }

  deinit {
    guard !isPlaced, !locks.isEmpty else { return }
    try? Self.leftovers(path).remove(keeping: [])
    rmdir(path)
  }

  /// Whether a destination may be written, without touching it.
  ///
  /// - Throws: As the initialiser.
  package static func check(_ destination: String, overwrites: Bool) throws {
    _ = try siblings(of: destination)
    let path = trimmed(destination)
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    let isFolder = status.st_mode & S_IFMT == S_IFDIR
    if let what = OutputFolder.protection(of: path) { throw FolderError.protected(path: destination, what: what) }
    let contents = isFolder ? try FolderContents(path) : nil
    if contents?.names.isEmpty == true { return }
    guard overwrites else { throw FolderError.exists(path: destination) }
    guard let contents else { throw FolderError.system(path: path, action: "create the folder", code: EEXIST) }
    if let marker = try FolderMarker(in: path), marker.kind != .export {
      throw FolderError.otherKind(path: path, expected: .export, found: marker.kind)
    }
    guard let manifest = try FolderManifest(in: path) else {
      throw FolderError.unmarked(path: path, found: contents.names.sorted())
    }
    try OutputFolder(path, kind: .export, layout: manifest.layout).check(.overwrite)
  }

  /// Writes the manifest and puts the folder in its place, all synced; then removes what was there, file by file.
  ///
  /// - Parameters:
  ///   - files: Everything that was written.
  ///   - program: Name and version of the program.
  /// - Throws: ``FolderError``, ``FileError``; the destination then has the old contents, or the new ones.
  package func commit(_ files: [FolderManifest.File], program: String) throws {
    let replaced = Self.exists(destination) ? try FolderManifest(in: destination) : nil
    try PendingFile.write(
      FolderManifest(program: program, files: files).text, to: path + "/" + OutputFolder.markerName)
    try PendingFile.syncFolder(of: path + "/" + OutputFolder.markerName)
    let rest = try place(replacing: replaced != nil)
    isPlaced = true
    try PendingFile.syncFolder(of: destination)
    if let replaced { try OutputFolder(rest, kind: .export, layout: replaced.layout).remove() }
  }

  /// Moves the folder to its name; where the old one is afterwards.
  private func place(replacing: Bool) throws -> String {
    guard replacing else {
      // An empty folder is replaced by renaming alone.
      guard rename(path, destination) == 0 else { throw FolderError.last(destination, "put the new folder in place") }
      return path
    }
    if exchanges, exchange(path, destination) { return path }
    guard !exchanges || [EINVAL, ENOSYS, ENOTSUP].contains(errno), rename(destination, old) == 0 else {
      throw FolderError.last(destination, "put the new folder in place")
    }
    guard rename(path, destination) == 0 else {
      let error = FolderError.last(destination, "put the new folder in place")
      rename(old, destination)
      throw error
    }
    return old
  }

  /// After a kill between two renames: the old folder goes back to its name, or away if the new one has it.
  private func recover() throws {
    guard Self.exists(old), let manifest = try FolderManifest(in: old) else { return }
    if Self.exists(destination) { return try OutputFolder(old, kind: .export, layout: manifest.layout).remove() }
    guard rename(old, destination) == 0 else { throw FolderError.last(destination, "put the old folder back") }
  }

  /// The folder that an interrupted writer moved aside, if the destination is missing and that is why.
  package static func aside(_ destination: String) -> String? {
    guard let old = try? siblings(of: destination).old, !exists(trimmed(destination)), exists(old) else { return nil }
    return old
  }

  /// A folder under our own temporary name, with all names that an export can have.
  private static func leftovers(_ path: String) -> OutputFolder {
    OutputFolder(
      path, kind: .export, layout: FolderLayout(["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "*.py"]))
  }

  private static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  private static func trimmed(_ path: String) -> String {
    var path = path[...]
    while path.count > 1, path.hasSuffix("/") { path = path.dropLast() }
    return String(path)
  }

  private static func siblings(of destination: String) throws(FolderError) -> (partial: String, old: String) {
    let path = trimmed(destination)
    let start = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
    let name = path[start...]
    guard !["", ".", ".."].contains(name) else {
      throw .protected(path: destination, what: "the working folder, or one above it")
    }
    return ("\(path[..<start]).\(name).partial", "\(path[..<start]).\(name).old")
  }
}

/// Two folders change places in one step; false with `errno` where that is impossible. Glibc has the call, and Swift's
/// view of it has not.
private func exchange(_ first: String, _ second: String) -> Bool {
  typealias Rename = @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
  guard let symbol = dlsym(nil, "renameat2") else {
    errno = ENOSYS
    return false
  }
  let rename = unsafeBitCast(symbol, to: Rename.self)
  return rename(AT_FDCWD, first, AT_FDCWD, second, 2) == 0
}

/// A lock on a folder itself, so that no file for it stays behind: against a second writer of the same destination.
///
/// A file system that cannot lock folders, as NFS, gives none.
private final class DirectoryLock {
  private let descriptor: Int32

  package init(_ path: String, of destination: String) throws(FolderError) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { throw .last(path, "lock the folder") }
    let isHeld = flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK
    // Another writer may have moved the folder away before it was locked.
    var (ours, named) = (stat(), stat())
    guard isHeld, fstat(descriptor, &ours) == 0, lstat(path, &named) == 0, ours.st_ino == named.st_ino,
      ours.st_dev == named.st_dev
    else {
      close(descriptor)
      throw .inUse(path: destination, holder: "another program")
    }
    self.descriptor = descriptor
  }

  deinit {
    flock(descriptor, LOCK_UN)
    close(descriptor)
  }
}
