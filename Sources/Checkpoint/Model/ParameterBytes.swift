public import Files
public import Models
public import Tensors

/// Where the elements of parameters come from when a file is written: another file, or a model in memory.
public protocol ParameterBytes {
  /// Every parameter with the type it has at its origin, in the order of the module tree.
  func inventory() throws(FileError) -> [StoredParameter]
  /// Calls `body` with a parameter's elements, converted to `type`: piece by piece in their order, each whole entries
  /// of the first axis.
  func withBytes(
    _ parameter: StoredParameter, as type: ElementType, _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
  ) throws(FileError)
}

extension ModelFiles: ParameterBytes {
  /// Calls `body` with a parameter's elements from the file: as they lie there, or converted to `type`; adapters
  /// merged, finite in every case.
  public func withBytes(
    _ parameter: StoredParameter, as type: ElementType, _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
  ) throws(FileError) {
    if let adapter, try adapter.withMergedBytes(parameter, as: type, over: source, body) { return }
    let pieces = ParameterPieces(parameter.shape, as: type)
    let (encoding, wanted) = (try encoding(parameter.type, of: parameter.path.name), Self.weight(type))
    let largest = pieces.rowCount * (pieces.rows.first?.count ?? 0)
    let stored = PageMemory(largest * encoding.byteCount)
    let converted = PageMemory(encoding == wanted ? 0 : largest * wanted.byteCount)
    for rows in pieces.rows {
      let bytes = stored.prefix(rows.count * pieces.rowCount * encoding.byteCount)
      try source.read(parameter.path.name, shape: parameter.shape, rows: rows, into: bytes)
      let place = (path, parameter.path.name, rows.lowerBound * pieces.rowCount)
      try body(try encoding.checked(UnsafeRawBufferPointer(bytes), as: wanted, in: converted.prefix(), place))
    }
  }

  /// A type that weights may be written in; the caller's bug if it is another.
  fileprivate static func weight(_ type: ElementType) -> WeightEncoding {
    guard let encoding = type.encoding else { preconditionFailure("weights are not stored as \(type)") }
    return encoding
  }
}

/// The parameters of a model in memory, stored as `types` says by name (as they are in memory where it does not).
public struct ModelBytes: ParameterBytes {
  private let model: LanguageModel
  private let types: [String: ElementType]
  private let shard: ExpertShard?
  private let assemble: @Sendable (String, Tensor) -> Tensor

  /// - Parameters:
  ///   - model: Where elements come from.
  ///   - types: Element types by parameter name.
  ///   - shard: The experts that the model holds; nil for all of them.
  ///   - assemble: Makes the whole parameter of a shard's; called once for each, in the order of the inventory.
  public init(
    _ model: LanguageModel, types: [String: ElementType] = [:], shard: ExpertShard? = nil,
    assemble: @escaping @Sendable (_ name: String, Tensor) -> Tensor = { $1 }
  ) {
    (self.model, self.types, self.shard, self.assemble) = (model, types, shard, assemble)
  }

  /// Every parameter with the type it shall be stored in.
  public func inventory() throws(FileError) -> [StoredParameter] {
    var stored: [StoredParameter] = []
    model.forEachParameter { path, tensor in
      let inMemory: ElementType = tensor.dtype == .float32 ? .float32 : .bfloat16
      var shape = tensor.shape
      if let count = shard?.count(of: path.name) { shape[0] = count }
      stored.append(StoredParameter(path: path, shape: shape, type: types[path.name] ?? inMemory))
    }
    return stored
  }

  /// Calls `body` with a parameter's elements, converted to `type`.
  public func withBytes(
    _ parameter: StoredParameter, as type: ElementType, _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
  ) throws(FileError) {
    var found: Tensor?
    model.forEachParameter { path, tensor in if path == parameter.path { found = tensor } }
    guard let found else { preconditionFailure("\(parameter.path) is no parameter of this model") }
    try assemble(parameter.path.name, found).withBytes(as: type, named: parameter.path.name, body)
  }
}

extension Tensor {
  /// Calls `body` with the elements encoded as `type`, piece by piece, each whole entries of the first axis.
  func withBytes(
    as type: ElementType, named name: String, _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
  ) throws(FileError) {
    let pieces = ParameterPieces(shape, as: type)
    let (encoding, wanted) = (WeightEncoding(dtype), ModelFiles.weight(type))
    let largest = pieces.rowCount * (pieces.rows.first?.count ?? 0)
    let converted = PageMemory(encoding == wanted ? 0 : largest * wanted.byteCount)
    try withBytes { (bytes) throws(FileError) in
      let width = pieces.rowCount * encoding.byteCount
      for rows in pieces.rows {
        let piece = UnsafeRawBufferPointer(rebasing: bytes[rows.lowerBound * width..<rows.upperBound * width])
        let place = ("the model in memory", name, rows.lowerBound * pieces.rowCount)
        try body(try encoding.checked(piece, as: wanted, in: converted.prefix(), place))
      }
    }
  }
}
