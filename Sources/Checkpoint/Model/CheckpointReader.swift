internal import Files
internal import Foundation
internal import Models
internal import Synchronization

/// An HDF5 checkpoint: dataset path = parameter path with slashes, configuration and tokenizer as text, routing beside.
struct CheckpointReader: TensorSource {
  let path: String
  let configuration: ModelConfiguration
  let companions: HubFiles
  let routing: RoutingSettings?
  let base: BaseReference?
  let adapter: AdapterGroup?
  let file: HDF5Reader
  private let map: MappedFile
  private let verified = VerifiedDatasets()

  /// Value of the root attribute `format`.
  static let format = "occult"
  /// Value of the root attribute `version`.
  static let version = 1
  /// Groups and datasets that hold no weights.
  private static let reserved = [
    "/config_json", "/tokenizer_json", "/recipe_yaml", hubFiles, "/routing/", "/training/",
    "/adapter/",
  ]
  static let hubFiles = "/hub_files/"

  init(opening path: String) throws {
    self.path = path
    file = try HDF5Reader(path)
    map = try MappedFile(path)
    guard case .string(let format)? = try file.attribute("format"), format == Self.format else {
      throw FileError.foreign(
        path: path, expected: "an Occult checkpoint (root attribute format = '\(Self.format)')",
        found: "an HDF5 file of another kind")
    }
    let version = try file.integer(attribute: "version")
    guard version == Self.version else {
      throw FileError.unsupported(
        path: path, item: "version", expected: "version \(Self.version)", found: "version \(version)")
    }
    companions = try Self.companions(file)
    configuration = try companions.completing(
      try ModelFamily.configuration(json: try file.string("config_json"), file: path + " config_json"), in: path + " ")
    routing = try RoutingSettings(file, configuration)
    base = try BaseReference(file)
    adapter = try AdapterGroup(file, configuration)
  }

  func type(of name: String, shape: [Int]) throws(FileError) -> ElementType {
    let info = try file.info(dataset(name))
    guard info.shape == shape else {
      throw .shape(path: path, item: info.path, expected: shape, found: info.shape)
    }
    guard case .element(let type) = info.type else {
      throw .type(
        path: path, item: info.path, expected: "float32, bfloat16 or float16", found: info.type.description)
    }
    return type
  }

  var tensorCount: Int { get throws(FileError) { try tensors().count } }

  func read(
    _ name: String, shape: [Int], rows: Range<Int>, into buffer: UnsafeMutableRawBufferPointer
  ) throws(FileError) {
    let dataset = dataset(name)
    if rows.count < shape.first ?? 1, try file.checksums(dataset)?.count == 1 {
      try verified.once(dataset) { () throws(FileError) in try file.verify(dataset) }
    }
    try file.read(dataset, rows: rows, shape: shape, into: buffer)
  }

  func map(_ name: String, verifying: Bool) throws(FileError) -> MappedArray? {
    let dataset = dataset(name)
    guard case .contiguous(.some) = try file.info(dataset).storage else { return nil }
    if verifying { try verified.once(dataset) { () throws(FileError) in try file.verify(dataset) } }
    return try file.map(dataset, in: map)
  }

  func unexpected(besides parameters: [(name: String, shape: [Int])]) throws(FileError) -> [String] {
    let known = Set(parameters.map { dataset($0.name) })
    return try tensors().filter { !known.contains($0) }
  }

  /// Datasets that are no text, routing or state of a run.
  private func tensors() throws(FileError) -> [String] {
    try file.datasets().filter { path in
      !Self.reserved.contains { path == $0 || ($0.hasSuffix("/") && path.hasPrefix($0)) }
    }
  }

  private static func companions(_ file: HDF5Reader) throws(FileError) -> HubFiles {
    var files = HubFiles()
    if try file.contains("tokenizer_json") { files.tokenizerJSON = try file.string("tokenizer_json") }
    guard try file.contains(hubFiles) else { return files }
    for dataset in try file.datasets() where dataset.hasPrefix(hubFiles) {
      let name = String(dataset.dropFirst(hubFiles.count))
      if name == HubFiles.tokenizerModelName {
        files.tokenizerModel = try file.bytes(dataset).bytes
      } else if HubFiles.isCompanion(name) {
        files.texts[name] = try file.string(dataset)
      }
    }
    return files
  }

  private func dataset(_ name: String) -> String { "/" + ParameterPath(name).datasetPath }
}

/// Datasets with one checksum for all of their bytes: before the first part of one is used, the whole is read once.
///
/// Threads wait while another one verifies.
private final class VerifiedDatasets: Sendable {
  private let names = Mutex<Set<String>>([])

  func once(_ name: String, _ verify: () throws(FileError) -> Void) throws(FileError) {
    let result = names.withLock { (names) -> Result<Void, FileError> in
      if names.contains(name) { return .success(()) }
      do throws(FileError) { try verify() } catch { return .failure(error) }
      names.insert(name)
      return .success(())
    }
    try result.get()
  }
}
