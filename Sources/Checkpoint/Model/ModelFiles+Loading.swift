internal import Host
internal import Files
public import Models
internal import Synchronization
internal import Tensors

// From files to tensors. Weights go straight to where they stay, piece by piece on all threads: no second copy of a
// tensor is made, and no page of a file stays mapped, but for checkpoints that are laid out to be mapped as a whole.
extension ModelFiles {
  /// Loads the model, every parameter as stored (float16 becomes float32), under the routing that the file carries.
  ///
  /// Parameters of a checkpoint of layout `mapped` stay in the file: they are memory-mapped, and compared with their
  /// checksums only where the model has less than 1 GiB; ``verify(progress:)`` checks larger ones.
  ///
  /// - Parameter shard: The experts of each stacked parameter that are wanted; nil for all of them.
  /// - Returns: The model.
  /// - Throws: ``FileError`` naming file, tensor, expected and found; `RoutingError` or `PlacementError`.
  public func model(shard: ExpertShard? = nil) throws -> LanguageModel {
    var model = try Activity.during("reading \(path)") { try weights(shard) }
    if let routing { try model.apply(routing) }
    return model
  }

  /// The model without any routing applied.
  func weights(_ shard: ExpertShard? = nil) throws -> LanguageModel {
    let shard = shard.map { ExpertShard($0.placement, device: $0.device, configuration, adapters: adapters) }
    let inventory = try inventory()
    let types = Dictionary(uniqueKeysWithValues: inventory.map { ($0.path.name, $0.type) })
    let verifying = inventory.reduce(0) { $0 + $1.byteCount } < Self.verifiedMap
    var model = try ModelFamily.model(configuration) { (name: String, shape: [Int]) throws(FileError) in
      guard let type = types[name] else { preconditionFailure("\(name) is not in the inventory") }
      if let experts = shard?.entries(of: name) { return try slices(name, shape, type, experts) }
      return try tensor(name, shape, type, verifying: verifying)
    }
    try adapter?.attach(to: &model, shard)
    return model
  }

  /// A mapped model below this size is verified when it is loaded; a larger one would take seconds to start.
  private static let verifiedMap = 1 << 30

  private func tensor(
    _ name: String, _ shape: [Int], _ type: ElementType, verifying: Bool
  ) throws(FileError) -> Tensor {
    let encoding = try encoding(type, of: name)
    if encoding != .float16, let array = try source.map(name, verifying: verifying),
      let address = array.bytes.baseAddress, Int(bitPattern: address) % 64 == 0
    {
      if verifying { try encoding.checkFinite(array.bytes, (path, name, 0)) }
      let dtype: DType = encoding == .float32 ? .float32 : .bfloat16
      return Tensor(mapped: address, shape: shape, dtype: dtype, owner: array.owner)
    }
    let dtype: DType = encoding == .bfloat16 ? .bfloat16 : .float32
    return try Tensor.read(shape, dtype: dtype) { (memory) throws(FileError) in
      try read(name, shape, encoding, into: memory, as: WeightEncoding(dtype))
    }
  }

  /// Entries of a parameter's first axis, read one by one: nothing of the others enters memory.
  private func slices(
    _ name: String, _ shape: [Int], _ type: ElementType, _ entries: [Int]
  ) throws(FileError) -> Tensor {
    let encoding = try encoding(type, of: name)
    let dtype: DType = encoding == .bfloat16 ? .bfloat16 : .float32
    let wanted = WeightEncoding(dtype)
    let count = shape.dropFirst().reduce(1, *)
    let scratch = PageMemory(encoding == wanted ? 0 : count * encoding.byteCount)
    return try Tensor.read([entries.count] + shape.dropFirst(), dtype: dtype) { (memory) throws(FileError) in
      for (place, entry) in entries.enumerated() {
        let width = count * wanted.byteCount
        let target = UnsafeMutableRawBufferPointer(rebasing: memory[place * width..<(place + 1) * width])
        let bytes = encoding == wanted ? target : scratch.prefix(count * encoding.byteCount)
        try source.read(name, shape: shape, rows: entry..<entry + 1, into: bytes)
        _ = try encoding.checked(UnsafeRawBufferPointer(bytes), as: wanted, in: target, (path, name, entry * count))
      }
    }
  }

  /// Reads a parameter into the memory where it stays; the first piece that fails says why.
  private func read(
    _ name: String, _ shape: [Int], _ encoding: WeightEncoding, into memory: UnsafeMutableRawBufferPointer,
    as wanted: WeightEncoding
  ) throws(FileError) {
    let pieces = ParameterPieces(shape, as: wanted == .float32 ? .float32 : .bfloat16)
    let failure = Mutex<(piece: Int, error: FileError)?>(nil)
    Parallel.run(pieces.rows.count) { index in
      let rows = pieces.rows[index]
      let width = pieces.rowCount * wanted.byteCount
      let target = UnsafeMutableRawBufferPointer(rebasing: memory[rows.lowerBound * width..<rows.upperBound * width])
      do throws(FileError) {
        let scratch = PageMemory(encoding == wanted ? 0 : rows.count * pieces.rowCount * encoding.byteCount)
        let bytes = encoding == wanted ? target : scratch.prefix(rows.count * pieces.rowCount * encoding.byteCount)
        try source.read(name, shape: shape, rows: rows, into: bytes)
        let place = (path, name, rows.lowerBound * pieces.rowCount)
        _ = try encoding.checked(UnsafeRawBufferPointer(bytes), as: wanted, in: target, place)
      } catch {
        failure.withLock { if index < $0?.piece ?? .max { $0 = (index, error) } }
      }
    }
    if let (_, error) = failure.withLock({ $0 }) { throw error }
  }

  func encoding(_ type: ElementType, of name: String) throws(FileError) -> WeightEncoding {
    guard let encoding = type.encoding else {
      throw .type(path: path, item: name, expected: Self.weightTypes, found: type.description)
    }
    return encoding
  }

  /// The types of weights, for messages.
  static let weightTypes = "float32, bfloat16 or float16"
}
