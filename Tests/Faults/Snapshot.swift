import Foundation

/// The files of a workplace, by path in it.
struct Snapshot {
  var files: [String: Contents] = [:]

  init() {}

  /// Everything below `folder`.
  init(_ folder: String) {
    for path in Self.paths(folder) { files[path] = Contents(folder + "/" + path) }
  }

  /// Paths of files below a folder, ascending.
  static func paths(_ folder: String) -> [String] {
    var found: [String] = []
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for name in names.sorted() {
      var status = stat()
      guard lstat(folder + "/" + name, &status) == 0 else { continue }
      if status.st_mode & S_IFMT == S_IFDIR {
        found += paths(folder + "/" + name).map { name + "/" + $0 }
      } else {
        found.append(name)
      }
    }
    return found
  }

  /// A path without the moments that are part of some names.
  static func name(_ path: String) -> String {
    let folder = (path as NSString).deletingLastPathComponent
    let isEvents = (path as NSString).lastPathComponent.hasPrefix("events.out.tfevents")
    if isEvents { return folder + "/events" }
    return path.replacing(Contents.time, with: "<time>")
  }

  /// Whether a name is that of a file being written, or of a lock.
  static func isTemporary(_ path: String) -> Bool {
    let name = (path as NSString).lastPathComponent
    return name.hasSuffix(".tmp") || name.hasSuffix(".lock") || name.contains(".nosync") || name.contains(".tmp-")
  }

  /// Files that grow: TensorBoard's events have the time in every record and are not compared.
  static func isEvents(_ path: String) -> Bool { name(path).hasSuffix("/events") }
}

/// Everything that was ever complete under a name, in an undisturbed run and before it.
struct Known {
  /// By name without moments.
  private(set) var old: [String: [Contents]] = [:]
  private(set) var new: [String: [Contents]] = [:]

  enum Age { case old, new, both, unknown }

  mutating func addOld(_ snapshot: Snapshot) { Self.add(snapshot, &old) }
  mutating func addNew(_ snapshot: Snapshot) { Self.add(snapshot, &new) }

  private static func add(_ snapshot: Snapshot, _ known: inout [String: [Contents]]) {
    for (path, contents) in snapshot.files where !Snapshot.isTemporary(path) {
      let name = Snapshot.name(path)
      if known[name]?.contains(contents) != true { known[name, default: []].append(contents) }
    }
  }

  func age(_ path: String, _ contents: Contents) -> Age {
    let name = Snapshot.name(path)
    return switch (old[name]?.contains(contents) ?? false, new[name]?.contains(contents) ?? false) {
    case (true, true): .both
    case (true, false): .old
    case (false, true): .new
    case (false, false): .unknown
    }
  }

  /// Whether a file that grows is a beginning of what it was or became; its last line may be torn.
  func isBeginning(_ path: String, of folder: String) -> Bool {
    let bytes = FileManager.default.contents(atPath: folder + "/" + path) ?? Data()
    let whole = bytes.lastIndex(of: UInt8(ascii: "\n")).map { Data(bytes[...$0]) } ?? Data()
    let lines = Contents.lines(Contents.normal(whole, path))
    let name = Snapshot.name(path)
    return ((old[name] ?? []) + (new[name] ?? [])).contains { Contents.lines($0.normal).starts(with: lines) }
  }
}
