internal import Files
internal import Foundation
internal import Models

/// A folder in the hub's layout: `config.json`, safetensors in one file or several, a tokenizer and small files.
///
/// Experts may lie one by one or stacked, in any of the ways of ``HubNames``, another one in each layer if need be.
/// They come out stacked.
struct HuggingFaceFolder: TensorSource {
  let path: String
  let configuration: ModelConfiguration
  let companions: HubFiles
  /// What `convert --with-code` wrote into the configuration; nil for every other folder.
  let routing: RoutingSettings?
  private let names: HubNames
  private let tensors: SafetensorsReader

  init(opening path: String) throws {
    self.path = path
    try FolderManifest(in: path)?.check(path)
    companions = try HubFiles(folder: path)
    let file = (path as NSString).appendingPathComponent(HubFiles.configurationName)
    guard FileManager.default.fileExists(atPath: file) else {
      throw FileError.missing(path: path, item: HubFiles.configurationName, nearest: nil)
    }
    (configuration, routing) = try Self.configuration(file, companions)
    names = HubNames(modelType: configuration.modelType)
    tensors = try SafetensorsReader(path)
  }

  /// Reads a `config.json`, the routing in it included.
  ///
  /// - Parameters:
  ///   - file: Its path.
  ///   - companions: The files beside it.
  /// - Returns: Sizes and switches, and what `convert --with-code` wrote.
  /// - Throws: ``FileError`` or `ConfigurationError`.
  static func configuration(
    _ file: String, _ companions: HubFiles = HubFiles()
  ) throws -> (ModelConfiguration, RoutingSettings?) {
    let parts = try ModelCode.parts(try TextFile.read(file), file: file)
    let configuration = try companions.completing(
      try ModelFamily.configuration(json: parts.configuration, file: file),
      in: (file as NSString).deletingLastPathComponent + "/")
    return (configuration, try parts.routing.map { try RoutingSettings($0, configuration, file: file) })
  }

  var tensorCount: Int { tensors.names.count }

  func type(of name: String, shape: [Int]) throws(FileError) -> ElementType {
    var found: ElementType?
    for piece in pieces(name, shape) {
      let info = try tensors.info(required: piece.tensor)
      guard info.shape == piece.shape else {
        throw .shape(path: info.file, item: piece.tensor, expected: piece.shape, found: info.shape)
      }
      guard let type = info.type else {
        throw .type(path: info.file, item: piece.tensor, expected: ModelFiles.weightTypes, found: info.typeName)
      }
      if let found, found != type {
        throw .type(
          path: info.file, item: piece.tensor, expected: "\(found) as the layer's other experts", found: "\(type)")
      }
      found = type
    }
    guard let found else { throw .missing(path: path, item: name, nearest: nil) }
    return found
  }

  func read(
    _ name: String, shape: [Int], rows: Range<Int>, into buffer: UnsafeMutableRawBufferPointer
  ) throws(FileError) {
    let width = buffer.count / max(1, rows.count * shape.dropFirst().reduce(1, *))
    let start = rows.lowerBound * shape.dropFirst().reduce(width, *)
    try read(pieces(name, shape), width, from: start, into: buffer)
    guard holdsTiedHead, name == Self.embedding else { return }
    // The folder holds twice what the configuration says is one: it has to be.
    let head = PageMemory(buffer.count)
    try tensors.read(Self.head, at: start, into: head.prefix(buffer.count))
    guard head.prefix(buffer.count).elementsEqual(buffer) else {
      throw .invalid(
        path: path, item: Self.head, expected: "the bytes of \(Self.embedding), to which the configuration ties it",
        found: "others")
    }
  }

  /// Copies the bytes of the pieces from `start` on.
  private func read(
    _ pieces: [HubNames.Piece], _ width: Int, from start: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws(FileError) {
    var (begin, done) = (0, 0)
    for piece in pieces {
      let count = piece.count * width
      defer { begin += count }
      let first = max(start, begin) - begin
      guard done < buffer.count, first < count else { continue }
      let part = min(count - first, buffer.count - done)
      try tensors.read(
        piece.tensor, at: (piece.entry ?? 0) * count + first,
        into: UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + part]))
      done += part
    }
    precondition(done == buffer.count, "\(path): \(buffer.count) bytes asked for, \(done) in the folder")
  }

  func unexpected(besides parameters: [(name: String, shape: [Int])]) throws(FileError) -> [String] {
    var known = Set(unused)
    let held = tensors.elementCount
    for (name, shape) in parameters {
      // Before names are made for as many experts as the configuration likes.
      let count = checkedProduct(shape) ?? .max
      guard count <= held else {
        throw .invalid(path: path, item: name, expected: "at least \(count) numbers in the files", found: "\(held)")
      }
      known.formUnion(pieces(name, shape).map(\.tensor))
    }
    if holdsTiedHead {
      let (embedding, head) = (try tensors.info(required: Self.embedding), try tensors.info(required: Self.head))
      guard embedding.type == head.type, embedding.shape == head.shape else {
        throw .invalid(
          path: head.file, item: Self.head,
          expected: "\(embedding.typeName) \(embedding.shape) as \(Self.embedding), to which it is tied",
          found: "\(head.typeName) \(head.shape)")
      }
    }
    return tensors.names.filter { !known.contains($0) }
  }

  var unused: [String] {
    tensors.names.filter { HubNames.isDerived($0) || (holdsTiedHead && $0 == Self.head) }
  }

  private static let embedding = "model.embed_tokens.weight"
  private static let head = "lm_head.weight"

  /// Whether the folder has an output projection that the configuration ties to the embedding.
  private var holdsTiedHead: Bool { configuration.tiesEmbeddings && tensors.info(Self.head) != nil }

  private func pieces(_ name: String, _ shape: [Int]) -> [HubNames.Piece] {
    names.found(name, shape: shape) { tensors.info($0) != nil }
  }
}
