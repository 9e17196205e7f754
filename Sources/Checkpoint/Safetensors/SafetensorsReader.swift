public import Files
internal import Formats
import Foundation

/// The tensors of a safetensors file, or of a Hugging Face folder of one or several, memory-mapped.
///
///     let model = try SafetensorsReader("olmoe/")
///     let weight = try model.tensor(named: "model.norm.weight")  // type, shape, bytes
public final class SafetensorsReader: Sendable {
  /// The file or folder that was asked for.
  public let path: String
  /// All tensor names, in the order of their UTF-8 bytes.
  public let names: [String]
  /// `__metadata__` of the first file.
  public let metadata: [String: String]
  private let tensors: [String: Stored]
  /// Numbers in all tensors; every shape was checked against the size of its file.
  var elementCount: Int { tensors.values.reduce(0) { $0 + $1.shape.reduce(1, *) } }

  private struct Stored: Sendable {
    let type: ElementType?
    let typeName: String
    let shape: [Int]
    let range: Range<Int>
    let file: MappedFile
  }

  /// Maps the files and checks their headers; the data itself is not read yet.
  ///
  /// - Parameter path: a file, or a folder with `model.safetensors` or `model.safetensors.index.json`.
  /// - Throws: `FileError`, where a header contradicts itself, its file or the index.
  public init(_ path: String) throws(FileError) {
    var tensors: [String: Stored] = [:]
    var metadata: [String: String]?
    let (files, index) = try Self.files(of: path)
    for file in files {
      let map = try MappedFile(file, expected: "a safetensors file")
      let header = try SafetensorsHeader(map.bytes, path: file)
      metadata = metadata ?? header.metadata
      for entry in header.entries {
        if let index, index[entry.name] != (file as NSString).lastPathComponent {
          throw .invalid(
            path: file, item: entry.name, expected: "only tensors that the index places in this file",
            found: index[entry.name].map { "one that it places in '\($0)'" } ?? "one that it does not know")
        }
        tensors[entry.name] = Stored(
          type: entry.type, typeName: entry.typeName, shape: entry.shape, range: entry.range, file: map)
      }
    }
    for (name, file) in (index ?? [:]).sorted(by: { $0.key < $1.key }) where tensors[name] == nil {
      throw .missing(
        path: Self.join(path, file), item: name, nearest: Spelling.nearest(to: name, in: tensors.keys.sorted()))
    }
    (self.path, self.metadata, self.tensors) = (path, metadata ?? [:], tensors)
    names = tensors.keys.sorted()
  }

  /// The element type and shape of a tensor, `nil` if there is none of that name; the type is `nil` where it is not
  /// one that can be read.
  public func info(_ name: String) -> (type: ElementType?, shape: [Int])? {
    tensors[name].map { ($0.type, $0.shape) }
  }

  /// What the header says of a tensor that must be there, and the file that holds it.
  ///
  /// - Throws: `FileError.missing` with the nearest name.
  func info(required name: String) throws(FileError) -> (
    type: ElementType?, typeName: String, shape: [Int], file: String
  ) {
    let tensor = try stored(name)
    return (tensor.type, tensor.typeName, tensor.shape, tensor.file.path)
  }

  /// Copies bytes of a tensor, by reading and not through a map.
  ///
  /// - Parameters:
  ///   - name: The tensor.
  ///   - offset: First byte within its data.
  ///   - buffer: Memory for as many bytes as are wanted.
  /// - Throws: `FileError.missing` with the nearest name, `.system` or `.truncated`.
  public func read(_ name: String, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
    let tensor = try stored(name)
    precondition(
      offset >= 0 && offset + buffer.count <= tensor.range.count,
      "\(name): bytes \(offset)..<\(offset + buffer.count) of \(tensor.range.count)")
    try tensor.file.read(at: tensor.range.lowerBound + offset, into: buffer)
  }

  private func stored(_ name: String) throws(FileError) -> Stored {
    guard let tensor = tensors[name] else {
      throw .missing(path: path, item: name, nearest: Spelling.nearest(to: name, in: names))
    }
    return tensor
  }

  /// A tensor's type, shape and bytes, without a copy.
  ///
  /// - Throws: `FileError.missing` with the nearest name, `.type` for an element type that cannot be read.
  public func tensor(named name: String) throws(FileError) -> MappedArray {
    let tensor = try stored(name)
    guard let type = tensor.type else {
      let known = ElementType.allCases.map(\.rawValue).joined(separator: ", ")
      throw .type(path: tensor.file.path, item: name, expected: "one of \(known)", found: tensor.typeName)
    }
    return MappedArray(
      type: type, shape: tensor.shape, offset: tensor.range.lowerBound, byteCount: tensor.range.count,
      owner: tensor.file)
  }

  /// The files to open, in order, and the index's map from tensor to file name if there is an index.
  private static func files(of path: String) throws(FileError) -> ([String], [String: String]?) {
    var isFolder: ObjCBool = false
    let manager = FileManager.default
    guard manager.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else { return ([path], nil) }
    // As transformers does: the single file wins.
    let single = join(path, "model.safetensors")
    if manager.fileExists(atPath: single) { return ([single], nil) }
    let indexPath = join(path, SafetensorsWriter.indexName)
    guard manager.fileExists(atPath: indexPath) else {
      throw .foreign(
        path: path, expected: "a folder with model.safetensors or \(SafetensorsWriter.indexName)",
        found: manager.fileExists(atPath: join(path, "pytorch_model.bin"))
          ? "pytorch_model.bin, which is not read" : "neither")
    }
    let index = try index(at: indexPath)
    return (Set(index.values).sorted().map { join(path, $0) }, index)
  }

  private static let keys = KnownKeys(
    used: ["weight_map"], withoutEffect: ["metadata"], origin: "an index of safetensors")

  private static func index(at path: String) throws(FileError) -> [String: String] {
    let map = try MappedFile(path, expected: "a JSON file")
    guard map.bytes.count <= SafetensorsHeader.maximumBytes else {
      throw .invalid(
        path: path, item: nil, expected: "at most \(SafetensorsHeader.maximumBytes) bytes", found: "\(map.bytes.count)")
    }
    let json = try JSONValue.parse(Array(map.bytes), file: path)
    guard case .object(let members)? = json["weight_map"] else {
      throw .invalid(path: path, item: nil, expected: "an object 'weight_map'", found: "none")
    }
    try keys.check(json, path)
    var index: [String: String] = [:]
    for member in members {
      let (name, value) = (member.key, member.value)
      // A name with a slash could lead out of the folder.
      guard case .string(let file) = value, !file.isEmpty, !file.contains("/"), file != "..", file != "." else {
        throw .invalid(
          path: path, item: name, expected: "the name of a file in the same folder", found: "something else")
      }
      index[name] = file
    }
    return index
  }

  private static func join(_ folder: String, _ name: String) -> String {
    (folder as NSString).appendingPathComponent(name)
  }
}
