public import Files
internal import Formats
import Foundation

/// Writes tensors of known shapes as safetensors: one file, or shards with an index as Hugging Face has them.
///
///     let writer = try SafetensorsWriter(folder: "out", tensors: declared)
///     for tensor in declared { try writer.write(tensor.name, bytes(of: tensor)) }
///     try writer.commit()
///
/// Headers are written first and the data goes to its place as it comes, tensors in any order and in pieces.
/// Nothing is visible under the final names before `commit`.
public struct SafetensorsWriter: ~Copyable {
  /// What a tensor will be.
  public struct Declaration: Equatable, Sendable {
    /// The name in the file, `model.norm.weight`.
    public let name: String
    /// Element type.
    public let type: ElementType
    /// Extents, row-major; empty for a scalar.
    public let shape: [Int]

    /// Declares a tensor.
    public init(name: String, type: ElementType, shape: [Int]) {
      (self.name, self.type, self.shape) = (name, type, shape)
    }

    var byteCount: Int {
      guard let count = type.byteCount(shape: shape) else {
        preconditionFailure("\(name): shape \(shape) is impossible")
      }
      return count
    }
  }

  static let indexName = "model.safetensors.index.json"

  private let shards: [PendingFile]
  private let index: (path: String, text: String)?
  private let places: [String: (shard: Int, offset: Int, byteCount: Int)]
  private let headers: [FolderManifest.File]
  /// Bytes written so far, and their check.
  private var written: [String: (count: Int, checksum: CRC32C)] = [:]

  /// Starts a single file.
  ///
  /// - Throws: `FileError.system` if the folder is missing or not writable.
  public init(file path: String, tensors: [Declaration], metadata: [String: String] = ["format": "pt"])
    throws(FileError)
  {
    try self.init(paths: [path], groups: [tensors], metadata, index: nil)
  }

  /// Starts `model.safetensors` in a folder that exists, or `model-0000i-of-0000n.safetensors` and their index.
  ///
  /// Tensors fill a shard, in the given order, until the next would pass `maximumShardBytes`.
  ///
  /// - Throws: `FileError`, also if the folder has safetensors files that these would not replace: a reader of the
  ///   folder could take the old for the new.
  public init(
    folder: String, tensors: [Declaration], maximumShardBytes: Int = 5_000_000_000,
    metadata: [String: String] = ["format": "pt"]
  ) throws(FileError) {
    let groups = Self.shards(tensors, maximumShardBytes)
    func digits(_ number: Int) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, 5 - text.count)) + text
    }
    let names =
      groups.count == 1
      ? ["model.safetensors"]
      : groups.indices.map { "model-\(digits($0 + 1))-of-\(digits(groups.count)).safetensors" }
    let indexPath = (folder as NSString).appendingPathComponent(Self.indexName)
    try Self.checkNoStrangers(folder, allowed: Set(names + (groups.count == 1 ? [] : [Self.indexName])))
    try self.init(
      paths: names.map { (folder as NSString).appendingPathComponent($0) }, groups: groups, metadata,
      index: groups.count == 1 ? nil : (indexPath, Self.index(groups, names)))
  }

  private init(
    paths: [String], groups: [[Declaration]], _ metadata: [String: String], index: (path: String, text: String)?
  ) throws(FileError) {
    var shards: [PendingFile] = []
    var places: [String: (shard: Int, offset: Int, byteCount: Int)] = [:]
    var headers: [FolderManifest.File] = []
    for (path, group) in zip(paths, groups) {
      let (header, offsets) = Self.header(group, metadata)
      let file = try PendingFile(path, expected: "a safetensors file")
      try header.withUnsafeBufferPointer { (bytes) throws(FileError) in
        try file.write(UnsafeRawBufferPointer(bytes), at: 0)
        headers.append(.init((path as NSString).lastPathComponent, UnsafeRawBufferPointer(bytes)))
      }
      for (tensor, offset) in zip(group, offsets) {
        precondition(
          places.updateValue((shards.count, header.count + offset, tensor.byteCount), forKey: tensor.name) == nil,
          "\(tensor.name) is declared twice")
      }
      shards.append(file)
    }
    (self.shards, self.places, self.headers, self.index) = (shards, places, headers, index)
  }

  /// Writes a declared tensor, or the next part of it: elements little-endian, row-major. Traps on an unknown name and
  /// on more bytes than were declared.
  public mutating func write(_ name: String, _ bytes: UnsafeRawBufferPointer) throws(FileError) {
    guard let place = places[name] else { preconditionFailure("\(name) was not declared") }
    var (done, checksum) = written[name] ?? (0, CRC32C())
    precondition(
      done + bytes.count <= place.byteCount,
      "\(name): \(bytes.count) bytes after \(done) for \(place.byteCount) declared")
    try shards[place.shard].write(bytes, at: place.offset + done)
    checksum.update(bytes)
    written[name] = (done + bytes.count, checksum)
  }

  /// Syncs all files to disk, then moves them to their names, the index last. Traps if a tensor is missing.
  public consuming func commit() throws(FileError) { _ = try committed() }

  /// The same; the files with the checks of their bytes.
  consuming func committed() throws(FileError) -> [FolderManifest.File] {
    for (name, place) in places {
      let done = written[name]?.count ?? 0
      precondition(done == place.byteCount, "\(name): \(done) of \(place.byteCount) declared bytes were written")
    }
    for shard in shards { try shard.sync() }
    for shard in shards { try shard.rename() }
    for shard in shards.prefix(1) { try PendingFile.syncFolder(of: shard.path) }
    if let index { try PendingFile.write(index.text, to: index.path) }
    return files()
  }

  /// What the files are, put together from the checks of headers and tensors in the order of their places.
  private func files() -> [FolderManifest.File] {
    var files: [FolderManifest.File] = []
    let byShard = Dictionary(grouping: places) { $0.value.shard }
    for (shard, header) in headers.enumerated() {
      var (crc, count) = (CRC32C(), 0)
      crc.append(header.checksum, of: header.byteCount)
      count += header.byteCount
      for (name, place) in (byShard[shard] ?? []).sorted(by: { $0.value.offset < $1.value.offset }) {
        crc.append(written[name]?.checksum.value ?? 0, of: place.byteCount)
        count += place.byteCount
      }
      files.append(.init(name: header.name, byteCount: count, checksum: crc.value))
    }
    if let index {
      var text = index.text
      files.append(text.withUTF8 { .init(Self.indexName, UnsafeRawBufferPointer($0)) })
    }
    return files
  }

  private static func shards(_ tensors: [Declaration], _ limit: Int) -> [[Declaration]] {
    var groups: [[Declaration]] = [[]]
    var room = limit
    for tensor in tensors {
      if tensor.byteCount > room, !groups[groups.count - 1].isEmpty {
        groups.append([])
        room = limit
      }
      groups[groups.count - 1].append(tensor)
      room -= tensor.byteCount
    }
    return groups
  }

  /// Length, JSON and padding, and each tensor's offset behind them.
  ///
  /// As Hugging Face's writer: wide types first, then by name, and a multiple of 8 bytes of header: every element is
  /// aligned to its size.
  private static func header(_ tensors: [Declaration], _ metadata: [String: String]) -> ([UInt8], [Int]) {
    let order = tensors.indices.sorted {
      (-tensors[$0].type.byteCount, tensors[$0].name) < (-tensors[$1].type.byteCount, tensors[$1].name)
    }
    var offsets = [Int](repeating: 0, count: tensors.count)
    var (end, members): (Int, [String]) = (0, [])
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }.map { JSONValue.quoted($0) + ":" + JSONValue.quoted($1) }
      members.append("\"__metadata__\":{" + pairs.joined(separator: ",") + "}")
    }
    for index in order {
      let tensor = tensors[index]
      offsets[index] = end
      end += tensor.byteCount
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      members.append(
        JSONValue.quoted(tensor.name) + ":{\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(offsets[index]),\(end)]}")
    }
    var json = Array(("{" + members.joined(separator: ",") + "}").utf8)
    json += [UInt8](repeating: UInt8(ascii: " "), count: (8 - json.count % 8) % 8)
    precondition(json.count <= SafetensorsHeader.maximumBytes, "a header of \(json.count) bytes is too long")
    let length = withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) }
    return (length + json, offsets)
  }

  private static func index(_ groups: [[Declaration]], _ names: [String]) -> String {
    var lines: [String] = []
    for (group, name) in zip(groups, names) {
      lines += group.map { "    \(JSONValue.quoted($0.name)): \(JSONValue.quoted(name))" }
    }
    let total = groups.joined().reduce(0) { $0 + $1.byteCount }
    return "{\n  \"metadata\": {\n    \"total_size\": \(total)\n  },\n  \"weight_map\": {\n"
      + lines.sorted().joined(separator: ",\n") + "\n  }\n}\n"
  }

  private static func checkNoStrangers(_ folder: String, allowed: Set<String>) throws(FileError) {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for file in files.sorted() where FolderManifest.isWeights(file) {
      guard allowed.contains(file) else {
        throw .invalid(
          path: (folder as NSString).appendingPathComponent(file), item: nil,
          expected: "no weights of another model in the folder", found: "this file")
      }
    }
  }
}
