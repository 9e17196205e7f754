internal import Checkpoint
internal import Foundation
internal import InputFiles
internal import Text
internal import Training

/// A study that cannot begin or go on.
public enum StudyError: Error, Equatable, CustomStringConvertible {
  /// The output folder holds something else.
  case notAStudy(path: String)
  /// The system refused.
  case file(path: String, action: String, reason: String)
  /// An arm or rule has devices or a placement of its own.
  case placement(arm: String)
  /// Learning rates are to be chosen on validation data that is not there.
  case noValidation
  /// A signal asked to stop.
  case stopped(after: String)

  /// The message for a person.
  public var description: String {
    switch self {
    case .notAStudy(let path):
      "\(path): expected a new folder or one of an earlier study, found other files; try another output=… or --overwrite"
    case .file(let path, let action, let reason):
      "\(path): expected to \(action), found '\(reason)'; try another folder"
    case .placement(let arm):
      "study: \(arm): expected the devices, placement and load cap of the whole study, found others; try one study for each "
        + "placement"
    case .noValidation:
      "study.learning_rates: expected validation data to choose by, found none; try data.validation: 0.05"
    case .stopped(let stage): "stopped after \(stage); the same command goes on from there"
    }
  }
}

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
  private var marker: String { path + "/study.json" }

  func arm(_ name: String) -> String { path + "/arms/" + name }
  func tasks(_ arm: String, seed: Int?) -> String { tasks + "/" + arm + (seed.map { "/seed-\($0)" } ?? "") }
  func cell(_ arm: String, rule: String?, seed: Int?) -> String {
    path + "/cells/\(arm)\(seed.map { "-seed-\($0)" } ?? "")-under-\(rule ?? "no-limit").json"
  }

  /// Makes the folder ready; one of an earlier study is kept, so that what did not change is not done again.
  func prepare(overwrite: Bool) throws(StudyError) {
    guard isWriter else { return }
    let manager = FileManager.default
    let contents = (try? manager.contentsOfDirectory(atPath: path)) ?? []
    if overwrite {
      try remove(path)
    } else if !contents.isEmpty, !manager.fileExists(atPath: marker) {
      throw .notAStudy(path: path)
    }
    for folder in [path + "/arms", path + "/cells"] {
      do {
        try manager.createDirectory(atPath: folder, withIntermediateDirectories: true)
      } catch {
        throw .file(path: folder, action: "create the folder", reason: error.localizedDescription)
      }
    }
    try write("{\"format\": \"occult-study\", \"version\": 1}\n", to: marker)
  }

  /// Removes a file or folder that may exist.
  func remove(_ path: String) throws(StudyError) {
    guard isWriter, FileManager.default.fileExists(atPath: path) else { return }
    do {
      try FileManager.default.removeItem(atPath: path)
    } catch {
      throw .file(path: path, action: "remove what is not kept", reason: error.localizedDescription)
    }
  }

  func write(_ text: String, to file: String) throws(StudyError) { try write(Data(text.utf8), to: file) }

  func write(_ data: Data, to file: String) throws(StudyError) {
    guard isWriter else { return }
    do {
      try data.write(to: URL(fileURLWithPath: file), options: .atomic)
    } catch {
      throw .file(path: file, action: "write the file", reason: error.localizedDescription)
    }
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
    try write(try encoder.encode(Kept(key: key, value: value)), to: file)
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
