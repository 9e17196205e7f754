internal import Files
internal import Formats
internal import Checkpoint
internal import Foundation
internal import Text

/// One evaluation of one model, as `occult evaluate` and lm-evaluation-harness write it.
public struct EvaluationRun: Sendable {
  /// The folder or results file it was read from.
  public let path: String
  /// Tasks by name.
  let tasks: [String: AnsweredTask]
  /// The group whose mean the harness gives, of each task that belongs to one: `mmlu` of `mmlu_anatomy`.
  let groups: [String: String]
  /// Metrics of which a lower value is better, as `task/metric`.
  let lowerIsBetter: Set<String>
  /// What the evaluation sent between devices; nil where it did not say.
  let communication: CommunicationFigures?
  /// Limit it was evaluated under; nil for none, or where it did not say.
  let deviceLimit: Int?
  /// What was left out of its files, and why.
  let notes: [String]

  /// Reads an evaluation.
  ///
  /// - Parameter path: A folder with `results_<time>.json` and `samples_<task>_<time>.jsonl`, or one that holds one such
  ///   folder, as the harness makes it for every model; of a task evaluated several times the newest counts. A results
  ///   file itself stands for the samples of its time alone.
  /// - Throws: ``PairingError`` or `FileError` naming the file, and the line of damage.
  public init(_ path: String) throws {
    let files = try EvaluationFiles(path)
    var tasks: [String: AnsweredTask] = [:]
    var notes: [String] = []
    for (task, time) in files.samples {
      for answered in try SamplesFile(path: "\(files.folder)/samples_\(task)_\(time).jsonl").tasks(task) {
        tasks[answered.name] = answered
        notes += answered.notes
      }
    }
    self.path = path
    self.tasks = tasks
    var groups: [String: String] = [:]
    var lower = Set<String>()
    var facts: ResultFacts?
    for time in files.results {
      let file = "\(files.folder)/results_\(time).json"
      let object = try SamplesFile.parse(Array(try TextFile.read(file).utf8), file: file, line: 1)
      groups.merge(Self.groups(object)) { $1 }
      lower.formUnion(Self.lower(object))
      var unread = UnreadColumns()
      if case .object(let members) = object {
        for member in members where !HarnessKeys.results.contains(member.key) && member.value != .null {
          unread.add(member.key)
        }
      }
      notes += [HarnessKeys.note(file, unread)].compactMap(\.self)
      let own = ResultFacts(object, file, &notes)
      if own.communication != nil || facts == nil { facts = own }
    }
    self.groups = groups
    self.notes = notes
    lowerIsBetter = lower
    communication = facts?.communication
    deviceLimit = facts?.deviceLimit
  }

  /// Each task's topmost group among those that have results.
  private static func groups(_ results: JSONValue) -> [String: String] {
    guard case .object(let members)? = results["group_subtasks"] else { return [:] }
    var parents: [String: String] = [:]
    for member in members where results["groups"]?[member.key] != nil {
      guard case .array(let children) = member.value else { continue }
      for child in children.compactMap(\.string) { parents[child] = member.key }
    }
    var tops: [String: String] = [:]
    for task in parents.keys {
      var top = task
      // A chain of groups is no longer than there are groups; damaged files may hold a ring.
      for _ in members { top = parents[top] ?? top }
      tops[task] = top
    }
    return tops
  }

  private static func lower(_ results: JSONValue) -> [String] {
    guard case .object(let tasks)? = results["higher_is_better"] else { return [] }
    return tasks.flatMap { task -> [String] in
      guard case .object(let metrics) = task.value else { return [] }
      return metrics.filter { $0.value == .bool(false) }.map { "\(task.key)/\($0.key)" }
    }
  }
}

/// What results may say about communication: at the top, as `evaluate --recipe` has it, or under `occult`.
private struct ResultFacts {
  let communication: CommunicationFigures?
  let deviceLimit: Int?

  init(_ results: JSONValue, _ file: String, _ notes: inout [String]) {
    let inner = results["occult"] ?? results
    deviceLimit = inner["device_limit"]?.integer
    guard let figures = inner["communication"], figures != .null else {
      communication = nil
      return
    }
    communication =
      figures.isFinite
      ? try? JSONDecoder().decode(CommunicationFigures.self, from: Data(figures.text().utf8)) : nil
    if communication == nil { notes.append("\(file): communication is left out: expected figures, found other values") }
  }
}

extension JSONValue {
  /// Whether there is no NaN and no infinity in it.
  fileprivate var isFinite: Bool {
    switch self {
    case .null, .bool, .integer, .string: true
    case .number(let value): value.isFinite
    case .array(let items): items.allSatisfy(\.isFinite)
    case .object(let members): members.allSatisfy(\.value.isFinite)
    }
  }
}

/// The files of an evaluation.
private struct EvaluationFiles {
  let folder: String
  /// The newest time of each task.
  var samples: [(task: String, time: String)] = []
  /// Times of the results that belong to them, rising.
  var results: [String] = []

  init(_ path: String) throws {
    let expected = "results_<time>.json and samples_<task>_<time>.jsonl of an evaluation"
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw PairingError.folder(
        path: path, expected: expected, found: "no such folder", hint: "the --output of `occult evaluate`")
    }
    let name = (path as NSString).lastPathComponent
    if !isFolder.boolValue {
      guard name.hasPrefix("results_"), name.hasSuffix(".json") else {
        throw PairingError.folder(
          path: path, expected: expected, found: "another file", hint: "the folder that holds them")
      }
      let parent = (path as NSString).deletingLastPathComponent
      folder = parent.isEmpty ? "." : parent
      try read(only: String(name.dropFirst("results_".count).dropLast(".json".count)))
    } else if let own = try Self.place(path) {
      folder = own
      try read(only: nil)
    } else {
      let inner = try FolderContents.names(in: path).map { path + "/" + $0 }.compactMap(Self.place)
      guard inner.count < 2 else {
        let names = inner.map { ($0 as NSString).lastPathComponent }.joined(separator: ", ")
        throw PairingError.folder(
          path: path, expected: "one evaluation", found: "several: \(names)", hint: "one of these folders")
      }
      guard let only = inner.first else {
        throw PairingError.folder(
          path: path, expected: expected, found: "none", hint: "the --output of `occult evaluate`")
      }
      folder = only
      try read(only: nil)
    }
    // Results are written last: without them an evaluation was cut off, and what it has of samples may not be all.
    let times = Set(results)
    if let cut = samples.first(where: { !times.contains($0.time) }) {
      throw PairingError.folder(
        path: path, expected: "results_\(cut.time).json beside samples_\(cut.task)_\(cut.time).jsonl",
        found: "none: that evaluation did not come to its end",
        hint: "to evaluate again, or to move the samples of that time away")
    }
    guard !samples.isEmpty else {
      throw PairingError.folder(
        path: path, expected: "samples_<task>_<time>.jsonl beside the results", found: "none",
        hint: "to evaluate again (`lm_eval` needs --log_samples)")
    }
  }

  /// The folder itself if an evaluation lies in it.
  private static func place(_ folder: String) throws -> String? {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else { return nil }
    return try FolderContents.names(in: folder).contains { $0.hasPrefix("results_") || $0.hasPrefix("samples_") }
      ? folder : nil
  }

  private mutating func read(only time: String?) throws {
    let names = try FolderContents.names(in: folder)
    var newest: [String: String] = [:]
    for name in names {
      guard let match = name.wholeMatch(of: /samples_(.+)_(\d{4}-\d\d-\d\dT[^_]*)\.jsonl/) else { continue }
      let (task, own) = (String(match.1), String(match.2))
      if let time, own != time { continue }
      newest[task] = max(newest[task] ?? "", own)
    }
    samples = newest.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    let times = Set(newest.values)
    results = names.compactMap { name in
      guard name.hasPrefix("results_"), name.hasSuffix(".json") else { return nil }
      let own = String(name.dropFirst("results_".count).dropLast(".json".count))
      return times.contains(own) ? own : nil
    }
  }
}
