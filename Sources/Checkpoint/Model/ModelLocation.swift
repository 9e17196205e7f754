internal import Files
internal import Placements
internal import Foundation
package import Models

/// What the path of a model leads to, for those who want to know its sizes: a model's files, a run's folder, a
/// `config.json`.
package enum ModelLocation {
  /// The model in a run's folder: its result, else its newest checkpoint; nil for any other folder.
  ///
  /// - Parameter folder: A folder.
  /// - Returns: A `.h5` file.
  static func result(ofRun folder: String) -> String? {
    func names(_ path: String) -> [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }
    let here = names(folder)
    guard !here.contains(HubFiles.configurationName) else { return nil }
    if here.contains("final.h5") { return folder + "/final.h5" }
    guard here.contains("recipe.yaml") else { return nil }
    let steps = names(folder + "/checkpoints").compactMap { name -> Int? in
      name.hasPrefix("step-") && name.hasSuffix(".h5") ? Int(name.dropFirst(5).dropLast(3)) : nil
    }
    return steps.max().map { folder + "/checkpoints/step-\($0).h5" }
  }

  /// Sizes and switches of the model at a path; weights are not looked at where a `config.json` has them.
  ///
  /// - Parameter path: A checkpoint, a folder in the hub's layout, a run's folder, or a `config.json`.
  /// - Returns: The configuration.
  /// - Throws: ``FileError`` or `ConfigurationError`.
  package static func configuration(at path: String) throws -> ModelConfiguration {
    if path.hasSuffix(".json") {
      if case .map(let json) = Inspection.kind(ofJSON: path) {
        throw FileError.foreign(
          path: path, expected: "a model, or its config.json",
          found: "a placement for \(try ExportedMap(json, file: path).engine.rawValue), which has no sizes")
      }
      return try configuration(file: path).0
    }
    if let result = result(ofRun: path) { return try ModelFiles(opening: result).configuration }
    let file = (path as NSString).appendingPathComponent(HubFiles.configurationName)
    if FileManager.default.fileExists(atPath: file) { return try configuration(file: file).0 }
    return try ModelFiles(opening: path).configuration
  }

  /// A `config.json` by itself, and the routing in it.
  static func configuration(file: String) throws -> (ModelConfiguration, RoutingSettings?) {
    let found = try HuggingFaceFolder.configuration(file)
    ModelFiles.tell(found.0, file, "")
    return found
  }
}
