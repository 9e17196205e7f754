/// A command, the files that it finds, and what it leaves.
struct Scenario: Sendable {
  /// Files that belong together: complete, or refused by their reader.
  struct Group: Sendable {
    let path: String
    /// The command that reads them; nil where none does.
    let reader: [String]?
    /// Names without which they are complete: markers, which are for writers.
    var markers: Set<String> = []

    func isMarker(_ path: String) -> Bool {
      path.split(separator: "/").last.map { markers.contains(String($0)) } ?? false
    }
  }

  let name: String
  /// Files and folders of the ground that it begins with.
  let inputs: [String]
  /// Files and folders of the ground that are there under another name, as an earlier result.
  var earlier: [(from: String, to: String)] = []
  let arguments: [String]
  /// What it writes.
  let outputs: [String]
  var groups: [Group] = []
  /// Ranks under mpirun, and the one that meets the faults; nil for one process.
  var ranks: (count: Int, disturbed: Int)?
  /// Only every so many-th call is walked: with ranks a case takes seconds.
  var stride = 1

  /// The command that reads a file, or nil.
  func reader(of path: String) -> [String]? {
    let name = path.split(separator: "/").last.map(String.init) ?? path
    if name == "profile.h5" || name == "trace.h5" { return ["inspect", path] }
    if name.hasSuffix(".h5") { return ["inspect", path, "--verify"] }
    if name == "placement.json" { return ["inspect", path] }
    if name.hasSuffix(".yaml") { return ["recipes", "validate", path, "--no-files"] }
    return nil
  }

  /// Whether a path is that of a result.
  func isOutput(_ path: String) -> Bool { outputs.contains { path == $0 || path.hasPrefix($0 + "/") } }

  func group(of path: String) -> Group? { groups.first { path == $0.path || path.hasPrefix($0.path + "/") } }

  /// The same command again, after what the last try said.
  func again(after error: String?) -> [String] {
    guard let error else { return arguments }
    let plain = arguments.filter { $0 != "--resume" && $0 != "--overwrite" }
    if arguments.contains("--overwrite") { return arguments }
    if error.contains("--resume") { return plain + ["--resume"] }
    return error.contains("--overwrite") ? plain + ["--overwrite"] : arguments
  }
}
