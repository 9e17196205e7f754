internal import Files
internal import Foundation
internal import Models

// Everything that a model on disk holds, read once and compared with its checksums.
extension ModelFiles {
  /// What was found sound.
  public struct Verified: Sendable, Equatable {
    /// Parameters, read, finite and equal to their checksums.
    public let parameters: Int
    /// What else is equal to its checksum: further datasets of a checkpoint, or files of an exported folder.
    public let others: Int
    /// What could not be compared because it has no checksum, in words; nil where all has one.
    public let unchecked: String?
  }

  /// Reads all of a checkpoint or folder and compares checksums, without keeping any of it: parameters, moments,
  /// tables, texts and attributes; of an exported folder every file. Placement, limit and settings have to be ones that
  /// a model runs under.
  ///
  /// - Parameter progress: Told the bytes done and how many there are.
  /// - Returns: What was compared.
  /// - Throws: ``FileError`` naming the first that is damaged or not finite; `RoutingError`, `PlacementError`.
  @discardableResult
  public func verify(progress: (Int, Int) -> Void = { _, _ in }) throws -> Verified {
    let parameters = try inventory()
    let manifest = checkpoint == nil ? try FolderManifest(in: path) : nil
    let further = try checkpoint?.datasets(besides: parameters) ?? []
    let total =
      parameters.reduce(0) { $0 + $1.byteCount } + further.reduce(0) { $0 + $1.byteCount }
      + (manifest?.files.reduce(0) { $0 + $1.byteCount } ?? 0)
    var done = 0
    func count(_ bytes: Int) {
      done += bytes
      progress(done, total)
    }
    try checkRouting()
    for parameter in parameters {
      try withBytes(parameter, as: parameter.type) { (bytes) throws(FileError) in count(bytes.count) }
    }
    if let checkpoint {
      for dataset in further { _ = try checkpoint.file.checksum(dataset.path, progress: count) }
      return Verified(
        parameters: parameters.count, others: further.count, unchecked: try checkpoint.file.unchecked())
    }
    try manifest?.verify(path, progress: count)
    let none =
      "safetensors have no checksums: that every number is finite is all that can be said without a list of checksums"
    return Verified(
      parameters: parameters.count, others: manifest?.files.count ?? 0, unchecked: manifest == nil ? none : nil)
  }

  /// The files of a hub folder that a list of checksums has to name: weights, index, configuration and tokenizer.
  package static func verifiable(_ folder: String) -> [String] {
    let known: Set = [HubFiles.configurationName, HubFiles.tokenizerName, HubFiles.tokenizerModelName]
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { known.contains($0) || FolderManifest.isWeights($0) }.sorted()
  }

  /// Whether a model could run under the routing that the files carry.
  private func checkRouting() throws {
    guard let routing else { return }
    let devices = routing.placement.devices
    for limit in (routing.layerLimits ?? []) + [routing.deviceLimit].compactMap(\.self) {
      guard (1...devices).contains(limit) else {
        throw FileError.invalid(
          path: path, item: "device_limit", expected: "a limit in 1...\(devices)", found: "\(limit)")
      }
    }
    _ = try routing.rules(configuration)
  }

  private var checkpoint: CheckpointReader? {
    source as? CheckpointReader ?? (source as? PartialSource)?.checkpoint
  }
}

extension CheckpointReader {
  /// All datasets of the file but those of these parameters.
  fileprivate func datasets(besides parameters: [StoredParameter]) throws(FileError) -> [HDF5Dataset] {
    let known = Set(parameters.map { "/" + $0.path.datasetPath })
    var datasets: [HDF5Dataset] = []
    for path in try file.datasets() where !known.contains(path) { datasets.append(try file.info(path)) }
    return datasets
  }
}

extension HDF5Reader {
  /// Reads every attribute, and names the datasets that have no checksum at all, in words; nil where there is none.
  fileprivate func unchecked() throws(FileError) -> String? {
    let datasets = try datasets()
    for object in try groups() + datasets + ["/"] { _ = try attributes(of: object) }
    var names: [String] = []
    for path in datasets {
      let info = try info(path)
      if info.byteCount > 0, !info.filters.contains("fletcher32"), try checksums(path) == nil { names.append(path) }
    }
    guard let first = names.first else { return nil }
    return names.count == 1 ? "\(first) has no checksum" : "\(first) and \(names.count - 1) more have no checksum"
  }
}
