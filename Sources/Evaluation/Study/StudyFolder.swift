internal import Files
internal import Checkpoint
internal import Foundation
internal import Formats
internal import Text
internal import Training

/// The files of a study: profile, placement, one run folder an arm, one measurement a cell, and the results.
struct StudyFolder {
  let path: String
  /// Whether this process writes and removes files: of several ranks one does.
  var isWriter = true

  var profile: String { path + "/profile.h5" }
  var placement: String { path + "/placement.json" }
  var recipe: String { path + "/recipe.yaml" }
  var comparison: String { path + "/comparison.json" }
  var table: String { path + "/comparison.md" }
  var report: String { path + "/report.html" }
  var tasks: String { path + "/tasks" }

  /// Every name that a study writes: its own, and those of its runs.
  private static let layout = FolderLayout([
    "profile.h5", "placement.json", "recipe.yaml", "comparison.json", "comparison.md", "comparison.csv", "report.html",
    "study.json", "cells/*.json", "tasks/comparison.*", ".dat.nosync*", "cells/.dat.nosync*", "tasks/**/.dat.nosync*",
  ]).adding(RunFolder.layout, under: "arms/**").adding(
    FolderLayout(["arm.json", "**/results_*.json", "**/samples_*.jsonl"]), under: "tasks/**")
  private var output: OutputFolder { OutputFolder(path, kind: .study, layout: Self.layout) }
  /// What version 0.1 marked a study by.
  private var earlierMarker: String { path + "/study.json" }

  func arm(_ name: String) -> String { path + "/arms/" + name }
  func tasks(_ arm: String, seed: Int?) -> String { tasks + "/" + arm + (seed.map { "/seed-\($0)" } ?? "") }
  func cell(_ arm: String, rule: String?, seed: Int?) -> String {
    path + "/cells/\(arm)\(seed.map { "-seed-\($0)" } ?? "")-under-\(rule ?? "no-limit").json"
  }

  /// Makes the folder ready and keeps others away from it; one of an earlier study is kept, so that what did not change is
  /// not done again.
  ///
  /// - Parameters:
  ///   - overwrite: Whether an earlier study is removed first.
  ///   - program: Name and version of the program.
  /// - Returns: Marker and lock; nil on a process that does not write.
  /// - Throws: `FolderError`, `FileError`.
  func claim(overwrite: Bool, program: String) throws -> OutputFolder.Claim? {
    guard isWriter else { return nil }
    let isOurs = try output.isMarked || FileManager.default.fileExists(atPath: earlierMarker)
    let claim = try output.claim(
      overwrite ? .overwrite : isOurs ? .resume : .new, purpose: "a study", program: program)
    for folder in [path + "/arms", path + "/cells"] { try OutputFolder.makeFolders(folder) }
    return claim
  }

  /// Makes the folder of an arm ready for a run from its beginning, whatever it holds of ours.
  func beginArm(_ run: RunFolder, program: String) throws {
    guard isWriter else { return }
    // Version 0.1 did not mark the runs of a study.
    if try !run.output.isMarked, try !run.output.isFresh {
      _ = try run.output.claim(.resume, purpose: "a study", program: program)
    }
    _ = try run.claim(.overwrite, program: program)
  }

  /// Removes a result that may exist.
  func remove(file path: String) throws(FolderError) {
    guard isWriter, unlink(path) != 0, errno != ENOENT else { return }
    throw .system(path: path, action: "remove what is not kept", code: errno)
  }

  /// Removes the scores of an arm, if any.
  func removeTasks(in place: String) throws(FolderError) {
    guard isWriter else { return }
    for name in try FolderContents(place).files where Self.layout.hasFile("tasks/x/" + name) {
      try remove(file: place + "/" + name)
    }
  }

  func write(_ text: String, to file: String) throws {
    if isWriter { try TextFile.write(text, to: file) }
  }

  /// A result kept under the key of everything it depends on; nil when it is absent, damaged, or of another key.
  func cached<T: Decodable>(_ file: String, key: String, as: T.Type) -> T? {
    guard let data = try? InputFile.data(file, most: TextFile.maximumBytes),
      let kept = try? JSONDecoder().decode(Kept<T>.self, from: data), kept.key == key
    else { return nil }
    return kept.value
  }

  /// Keeps a result under its key.
  func keep<T: Encodable>(_ value: T, key: String, in file: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    try write(String(decoding: try encoder.encode(Kept(key: key, value: value)), as: UTF8.self), to: file)
  }

  struct Kept<T> {
    let key: String
    let value: T
  }
}

extension StudyFolder.Kept: Encodable where T: Encodable {}
extension StudyFolder.Kept: Decodable where T: Decodable {}

/// A key of everything that a result depends on.
struct CacheKey {
  private var hash = StableHash()

  init(_ parts: String...) { for part in parts { hash.combine(part) } }

  func adding(_ part: String) -> CacheKey {
    var copy = self
    copy.hash.combine(part)
    return copy
  }

  var text: String { hash.hexadecimal }
}
