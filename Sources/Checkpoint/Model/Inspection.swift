internal import Files
internal import Placements
internal import Foundation

/// What a file or folder holds, without its numbers: for a person, or as JSON.
public struct Inspection: Sendable, Equatable, Encodable {
  /// What it is.
  public enum Kind: String, Sendable, Encodable {
    /// An HDF5 checkpoint.
    case checkpoint
    /// A folder in the hub's layout.
    case huggingFace = "hugging_face"
    /// A `config.json` without weights.
    case configuration
    /// A folder of a run.
    case run
    /// Collaboration statistics.
    case profile
    /// Which device holds which expert.
    case placement
    /// The same as a serving engine reads it.
    case map
    /// Intermediate values of a pass.
    case trace
    /// Another HDF5 file.
    case hdf5
  }

  /// A line of a table: how many numbers, and the bytes they take.
  public struct Share: Sendable, Equatable, Encodable {
    /// A role or an element type.
    public let name: String
    /// Tensors.
    public let tensors: Int
    /// Numbers in them.
    public let elements: Int
    /// Bytes of them, uncompressed.
    public let bytes: Int
  }

  /// One array in the file.
  public struct Item: Sendable, Equatable, Encodable {
    /// Its name there.
    public let name: String
    /// Extent of each axis.
    public let shape: [Int]
    /// Element type in words.
    public let type: String
    /// `chunked [1, 64, 192]`, `contiguous`; nil in safetensors.
    public let layout: String?
    /// Filters in writing order.
    public let filters: [String]
  }

  /// One fact in words.
  public struct Fact: Sendable, Equatable, Encodable {
    /// `hidden`, `devices`, …
    public let name: String
    /// Its value in words.
    public let value: String
  }

  /// The path that was given.
  public let path: String
  /// What it is.
  public let kind: Kind
  /// Bytes on disk.
  public let diskBytes: Int
  /// Sizes, routing, state of a run, origin.
  public internal(set) var facts: [Fact]
  /// Parameters by role; empty where there are none.
  public internal(set) var roles: [Share]
  /// Parameters by element type.
  public internal(set) var types: [Share]
  /// Every array of the file.
  public internal(set) var items: [Item]

  private enum CodingKeys: String, CodingKey {
    case path, kind, facts, roles, types
    case diskBytes = "disk_bytes"
    case items = "tensors"
  }

  /// Looks into a checkpoint, hub folder, configuration, run, profile, placement, exported map or trace.
  ///
  /// - Parameter path: The file or folder.
  /// - Throws: ``FileError``, `PlacementError` or `ConfigurationError` when it is damaged or of another kind.
  public init(_ path: String) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw FileError.system(path: path, action: .open, code: ENOENT)
    }
    if isFolder.boolValue {
      if let result = ModelLocation.result(ofRun: path) {
        self.init(path, .run, bytes: Self.folderBytes(path))
        try describe(run: result)
        return
      }
      self.init(path, .huggingFace, bytes: Self.folderBytes(path))
      try describe(model: try ModelFiles(opening: path))
      return
    }
    let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
    if path.hasSuffix(".json") {
      switch Self.kind(ofJSON: path) {
      case .configuration:
        self.init(path, .configuration, bytes: size)
        try describe(configuration: path)
      case .map(let json):
        self.init(path, .map, bytes: size)
        describe(map: try ExportedMap(json, file: path))
      case .placement:
        self.init(path, .placement, bytes: size)
        describe(placement: try Placement(path: path))
      }
      return
    }
    let file = try HDF5Reader(path)
    var kind = Kind.hdf5
    if case .string(let format)? = try file.attribute("format") {
      kind =
        switch format {
        case CheckpointReader.format: .checkpoint
        case ProfileFile.format: .profile
        case "occult-trace": .trace
        default: .hdf5
        }
    }
    self.init(path, kind, bytes: size)
    try list(file)
    switch kind {
    case .checkpoint:
      try describe(model: try ModelFiles(opening: path))
      try describeRun(file)
    case .profile: describe(profile: try ProfileFile.read(path))
    default:
      for (name, value) in try file.attributes() { facts.append(Fact(name: name, value: Self.words(value))) }
    }
  }

  private init(_ path: String, _ kind: Kind, bytes: Int) {
    (self.path, self.kind, diskBytes) = (path, kind, bytes)
    (facts, roles, types, items) = ([], [], [], [])
  }

  private static func folderBytes(_ path: String) -> Int {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.reduce(0) { sum, name in
      let file = (path as NSString).appendingPathComponent(name)
      return sum + ((try? FileManager.default.attributesOfItem(atPath: file)[.size] as? Int) ?? 0)
    }
  }

  static func words(_ value: HDF5Attribute) -> String {
    switch value {
    case .string(let text): text
    case .integer(let number): "\(number)"
    case .real(let number): "\(number)"
    case .integers(let numbers): "\(numbers)"
    case .reals(let numbers): "\(numbers)"
    case .strings(let texts): texts.joined(separator: ", ")
    case .other(let words): words
    }
  }
}
