import Foundation

/// A folder that this program writes: marked as ours, locked while somebody writes there, and cleaned file by file.
///
///     let claim = try OutputFolder("runs/mine", kind: .run, layout: layout).claim(.new, purpose: "finetune", program: …)
///
/// The marker `occult.json` is the first file that a new folder gets and the last that goes, so that whatever a kill
/// leaves is either empty or still known as ours. Nothing is ever removed from a folder without a marker, nor a name
/// that the layout does not know, nor through a link.
package struct OutputFolder: Sendable, Equatable {
  /// What a folder holds.
  package enum Kind: String, Sendable, CaseIterable {
    case run, study, evaluation, comparison, export

    /// The kind as messages name it.
    package var words: String {
      switch self {
      case .run: "a fine-tuning run"
      case .study: "a study"
      case .evaluation: "evaluations"
      case .comparison: "a comparison"
      case .export: "an exported model"
      }
    }
  }

  /// What happens to a folder that exists.
  package enum Mode: Sendable {
    /// Only an empty one is taken, or one in which nothing but a marker of the same kind lies.
    case new
    /// It is emptied first, if all of it is ours.
    case overwrite
    /// It stays as it is; what an older version wrote, without a marker, gets one.
    case resume
  }

  /// The marker's name.
  package static let markerName = "occult.json"

  /// Its path.
  package let path: String
  /// What it holds.
  package let kind: Kind
  /// The names that this program writes there.
  package let layout: FolderLayout

  /// A folder by its path; nothing is touched.
  package init(_ path: String, kind: Kind, layout: FolderLayout) {
    (self.path, self.kind, self.layout) = (path, kind, layout)
  }

  /// A folder that is ours for now.
  package struct Claim: Sendable {
    /// Who wrote it, and which writing this is.
    package let marker: FolderMarker
    /// Held until the last copy goes.
    package let lock: FolderLock
  }

  /// Takes the folder: makes it where it is missing, locks it, empties it if that is asked for, and marks it.
  ///
  /// - Parameters:
  ///   - mode: What to do where it exists.
  ///   - purpose: What is being done, for others who want the folder.
  ///   - program: Name and version of the program.
  ///   - lock: The folder's, where the caller holds it already.
  /// - Returns: The marker and the lock.
  /// - Throws: ``FolderError``, or `FileError` where the marker cannot be read or written.
  package func claim(_ mode: Mode, purpose: String, program: String, lock: FolderLock? = nil) throws -> Claim {
    try check(mode)
    let lock = try lock ?? self.lock(purpose: purpose)
    // Again, now that nobody else changes it.
    try check(mode)
    let earlier = try FolderMarker(in: path)
    if mode == .resume, let earlier { return Claim(marker: earlier, lock: lock) }
    let strangers = try FolderContents(path).names.subtracting(Self.own)
    let wasThere = mode == .resume && !strangers.isEmpty
    let marker = FolderMarker(kind: kind, program: program, isAdopted: wasThere)
    // Before anything goes: what is left after a kill in between belongs to no run that could go on.
    try marker.write(in: path)
    if mode == .overwrite { try remove(keeping: Self.own) }
    return Claim(marker: marker, lock: lock)
  }

  /// Keeps others away from the folder, which is made where it is missing, before what is in it changes.
  ///
  /// - Parameter purpose: What is being done, for others who want the folder.
  /// - Returns: The lock.
  /// - Throws: ``FolderError``.
  package func lock(purpose: String) throws(FolderError) -> FolderLock {
    try Self.makeFolders(path)
    return try FolderLock(path, purpose: purpose)
  }

  /// Takes the folder for a moment, to put files of new names beside what is there; a new folder is marked.
  ///
  /// - Parameters:
  ///   - purpose: What is being done, for others who want the folder.
  ///   - program: Name and version of the program.
  /// - Returns: The lock, for which this waits.
  /// - Throws: ``FolderError``, or `FileError` where the marker cannot be written.
  package func join(purpose: String, program: String) throws -> FolderLock {
    try Self.makeFolders(path)
    let lock = try FolderLock(path, purpose: purpose, waits: true)
    // Empty folders in it are what a writer leaves that was killed, or whose files were removed.
    let contents = try FolderContents(path)
    let isFresh = contents.names.union(contents.files).subtracting(contents.folders).subtracting(Self.own).isEmpty
    if isFresh { try FolderMarker(kind: kind, program: program).write(in: path) }
    return lock
  }

  /// Whether ``claim(_:purpose:program:)`` may take the folder, without touching it.
  ///
  /// - Throws: ``FolderError``, `FileError`.
  package func check(_ mode: Mode) throws {
    let contents = try FolderContents(path)
    let strangers = contents.names.subtracting(Self.own)
    let marker = try FolderMarker(in: path)
    if let marker, marker.kind != kind { throw FolderError.otherKind(path: path, expected: kind, found: marker.kind) }
    switch mode {
    case .new:
      if !strangers.isEmpty { throw FolderError.unmarked(path: path, found: strangers.sorted()) }
    case .resume: break
    case .overwrite:
      try checkMayBeEmptied(contents, isMarked: marker != nil)
    }
  }

  /// Whether the folder exists and has a marker of this kind.
  package var isMarked: Bool { get throws(FileError) { try FolderMarker(in: path)?.kind == kind } }

  /// Whether the folder is missing or holds nothing but what a claim puts there.
  package var isFresh: Bool {
    get throws(FolderError) { try FolderContents(path).names.subtracting(Self.own).isEmpty }
  }

  /// What every claimed folder has.
  package static let own: Set = [markerName, markerName + ".tmp", FolderLock.name]

  /// Makes a folder and those above it, where missing.
  ///
  /// - Throws: ``FolderError/system(path:action:code:)``.
  package static func makeFolders(_ path: String) throws(FolderError) {
    if mkdir(path, 0o777) == 0 { return }
    var code = errno
    if code == ENOENT {
      let parent = (path as NSString).deletingLastPathComponent
      guard !parent.isEmpty, parent != path else { throw .system(path: path, action: "create the folder", code: code) }
      try makeFolders(parent)
      if mkdir(path, 0o777) == 0 { return }
      code = errno
    }
    var status = stat()
    guard code == EEXIST, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw .system(path: path, action: "create the folder", code: code == EEXIST ? ENOTDIR : code)
    }
  }
}
