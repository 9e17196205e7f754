public import Models
internal import Tensors

/// Where the elements of parameters come from when a file is written: another file, or a model in memory.
public protocol ParameterBytes {
  /// Every parameter with the type it has at its origin, in the order of the module tree.
  func inventory() throws(FileError) -> [StoredParameter]
  /// Calls `body` with a parameter's elements, converted to `type`.
  func withBytes(
    _ parameter: StoredParameter, as type: ElementType, _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
  ) throws(FileError)
}

extension ModelFiles: ParameterBytes {
  /// Calls `body` with a parameter's elements from the file: as they lie there, or converted to `type`; adapters merged.
  public func withBytes(
    _ parameter: StoredParameter, as type: ElementType, _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
  ) throws(FileError) {
    if let adapter, try adapter.withMergedBytes(parameter, as: type, over: source, body) { return }
    let name = parameter.path.name
    if type == parameter.type {
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, parameter.byteCount), alignment: 64)
      defer { buffer.deallocate() }
      let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer[..<parameter.byteCount])
      try source.read(name, shape: parameter.shape, into: bytes)
      try body(UnsafeRawBufferPointer(bytes))
    } else {
      try tensor(name, parameter.shape, parameter.type).withBytes(as: type, body)
    }
  }
}

/// The parameters of a model in memory, stored as `types` says by name (as they are in memory where it does not).
public struct ModelBytes: ParameterBytes {
  private let model: LanguageModel
  private let types: [String: ElementType]

  /// - Parameters:
  ///   - model: Where elements come from.
  ///   - types: Element types by parameter name.
  public init(_ model: LanguageModel, types: [String: ElementType] = [:]) {
    self.model = model
    self.types = types
  }

  /// Every parameter with the type it shall be stored in.
  public func inventory() throws(FileError) -> [StoredParameter] {
    var stored: [StoredParameter] = []
    model.forEachParameter { path, tensor in
      let inMemory: ElementType = tensor.dtype == .float32 ? .float32 : .bfloat16
      stored.append(StoredParameter(path: path, shape: tensor.shape, type: types[path.name] ?? inMemory))
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
    try found.withBytes(as: type, body)
  }
}

extension Tensor {
  /// Calls `body` with the elements encoded as `type`, one of float32, bfloat16 and float16.
  func withBytes(
    as type: ElementType, _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
  ) throws(FileError) {
    switch type {
    case .float32: try stored(as: .float32).withBytes(body)
    case .bfloat16: try stored(as: .bfloat16).withBytes(body)
    case .float16:
      let bits = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, 2 * count), alignment: 64)
      defer { bits.deallocate() }
      let used = UnsafeMutableRawBufferPointer(rebasing: bits[..<(2 * count)])
      writeHalves(to: used)
      try body(UnsafeRawBufferPointer(used))
    default: preconditionFailure("weights are not stored as \(type)")
    }
  }
}
