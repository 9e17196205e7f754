/// A dense, row-major array with a fixed shape.
///
/// A value: nothing outside this module can write its elements. Gradients are values too: `loss.gradients()[weight]`.
/// All arithmetic runs in float32; `bfloat16` is a way to store weights, converted where they are used.
public struct Tensor: Sendable {
  /// Extent of each axis; empty for a scalar.
  public let shape: [Int]
  /// Row-major elements. Never written after `init`, but by ``withMutableElements(_:)`` where it is held once.
  package private(set) var storage: Storage
  /// How this value was computed; `nil` outside the graph.
  package let node: Node?

  package init(_ storage: Storage, _ shape: [Int], node: Node? = nil) {
    precondition(
      storage.count == shape.reduce(1, *),
      "Tensor: shape \(shape) has \(shape.reduce(1, *)) elements, storage \(storage.count)")
    self.shape = shape
    self.storage = storage
    self.node = node
  }

  /// A tensor of the given elements in row-major order.
  ///
  /// - Parameters:
  ///   - elements: As many as `shape` has.
  ///   - shape: Extent of each axis; one axis of all elements if left out.
  public init(_ elements: [Float], shape: [Int]? = nil) {
    let storage = Storage(elements.count)
    elements.withUnsafeBufferPointer { source in
      if let base = source.baseAddress { storage.floats.update(from: base, count: source.count) }
    }
    self.init(storage, shape ?? [elements.count])
  }

  /// A scalar.
  public init(_ value: Float) { self.init([value], shape: []) }

  /// A tensor of zeros.
  public static func zeros(_ shape: [Int]) -> Tensor { Tensor(Storage.zeros(shape.reduce(1, *)), shape) }

  /// A float32 tensor whose elements `body` writes, all of them.
  ///
  /// - Parameters:
  ///   - shape: Extent of each axis.
  ///   - body: Receives the elements in row-major order, not initialised.
  /// - Returns: The tensor of what was written.
  public static func filled(
    _ shape: [Int], _ body: (UnsafeMutableBufferPointer<Float>) throws -> Void
  ) rethrows -> Tensor {
    let storage = Storage(shape.reduce(1, *))
    try body(UnsafeMutableBufferPointer(start: storage.floats, count: storage.count))
    return Tensor(storage, shape)
  }

  /// A tensor over read-only memory that `owner` keeps alive, such as a mapped file; nothing is copied.
  ///
  /// - Parameters:
  ///   - address: First byte, aligned to the element.
  ///   - shape: Extent of each axis.
  ///   - dtype: How elements are encoded.
  ///   - owner: Released when the last tensor over the memory goes.
  public init(mapped address: UnsafeRawPointer, shape: [Int], dtype: DType, owner: AnyObject) {
    self.init(Storage(mapped: address, count: shape.reduce(1, *), dtype: dtype, owner: owner), shape)
  }

  /// How elements are stored.
  public var dtype: DType { storage.dtype }
  /// Number of elements.
  public var count: Int { storage.count }
  /// Extent of the last axis; 1 for a scalar.
  public var columns: Int { shape.last ?? 1 }
  /// Number of rows when all axes but the last are taken as one.
  public var rows: Int { shape.dropLast().reduce(1, *) }

  /// The elements in row-major order, as float32.
  public var elements: [Float] { withElements { Array($0) } }

  /// The only element.
  public var scalar: Float {
    precondition(count == 1, "Tensor.scalar: expected one element, found shape \(shape)")
    return withElements { $0[0] }
  }

  /// Calls `body` with the elements as float32; bfloat16 is converted first.
  public func withElements<R, E: Error>(_ body: (UnsafeBufferPointer<Float>) throws(E) -> R) throws(E) -> R {
    let floats = Kernels.float32(storage)
    defer { withExtendedLifetime(floats) {} }
    return try body(UnsafeBufferPointer(start: floats.floats, count: floats.count))
  }

  /// Calls `body` with the elements' memory as stored.
  public func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    defer { withExtendedLifetime(storage) {} }
    return try body(UnsafeRawBufferPointer(start: storage.address, count: count * dtype.byteCount))
  }

  /// Calls `body` with float32 elements that it may change: in place where this value is the only holder, else on a
  /// copy.
  ///
  /// The optimizer's door: everything else makes new values.
  package mutating func withMutableElements<R>(_ body: (UnsafeMutableBufferPointer<Float>) throws -> R) rethrows -> R {
    if !isKnownUniquelyReferenced(&storage) || !storage.isPooled || storage.dtype != .float32 {
      let copy = Storage(storage.count)
      let source = Kernels.float32(storage)
      withExtendedLifetime(source) { copy.floats.update(from: source.floats, count: copy.count) }
      storage = copy
    }
    return try body(UnsafeMutableBufferPointer(start: storage.floats, count: storage.count))
  }

  /// The same values stored as `dtype`, outside the graph. To bfloat16 rounds to nearest even.
  public func stored(as dtype: DType) -> Tensor {
    Tensor(dtype == .float32 ? Kernels.float32(storage) : Kernels.bfloat16(storage), shape)
  }

  /// The same value outside the graph: no gradient flows through it.
  public func detached() -> Tensor { Tensor(storage, shape) }

  /// The same value, in float32, as a leaf of the graph: `gradients()` has an entry for it.
  public func tracked() -> Tensor { Tensor(Kernels.float32(storage), shape, node: Node(edges: [])) }

  /// Whether gradients are led back to or through this value.
  public var isTracked: Bool { node != nil }
}

extension Tensor {
  /// A tensor read from raw little-endian memory, with the typed errors of its reader.
  ///
  /// - Parameters:
  ///   - shape: Extent of each axis.
  ///   - dtype: How elements are encoded.
  ///   - body: Receives the memory, not initialised, and writes all of it.
  /// - Returns: The tensor, outside the graph.
  /// - Throws: What `body` throws.
  public static func read<E: Error>(
    _ shape: [Int], dtype: DType, _ body: (UnsafeMutableRawBufferPointer) throws(E) -> Void
  ) throws(E) -> Tensor {
    let storage = Storage(shape.reduce(1, *), dtype: dtype)
    try body(UnsafeMutableRawBufferPointer(start: storage.address, count: storage.count * dtype.byteCount))
    return Tensor(storage, shape)
  }

  /// A float32 tensor of IEEE half-precision bit patterns.
  ///
  /// - Parameters:
  ///   - bits: Two bytes an element.
  ///   - shape: Extent of each axis.
  public init(halves bits: UnsafeRawBufferPointer, shape: [Int]) {
    self = Tensor.read(shape, dtype: .float32) { (memory) throws(Never) in
      WeightEncoding.float16.convert(bits, into: memory, as: .float32)
    }
  }
}
