internal import Files
internal import Models
internal import Tensors

extension AdapterGroup {
  /// Calls `body` with `W + α/r · B · A` of a parameter: added in float32, then rounded once to `type`.
  ///
  /// Works matrix by matrix, so that of a stack of experts no more than one lives at once.
  ///
  /// - Parameters:
  ///   - parameter: An adapted parameter.
  ///   - type: Element type of the result.
  ///   - source: Where W lies.
  ///   - body: Receives the elements, piece by piece.
  /// - Returns: Whether the parameter is adapted; `body` is not called otherwise.
  /// - Throws: ``FileError`` when a tensor cannot be read or is not finite; what `body` throws.
  func withMergedBytes(
    _ parameter: StoredParameter, as type: ElementType, over source: any TensorSource,
    _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
  ) throws(FileError) -> Bool {
    guard let (a, b) = try factors(parameter) else { return false }
    let shape = Array(parameter.shape.suffix(2))
    let matrices = parameter.shape.count == 2 ? 1 : parameter.shape[0]
    let adapted = matrices == 1 ? [0] : settings.experts(of: parameter.path.parent.name, count: matrices)
    let scratch = PageMemory(shape.reduce(parameter.type.byteCount, *))
    var next = 0
    for matrix in 0..<matrices {
      let rows = parameter.shape.count == 2 ? 0..<shape[0] : matrix..<matrix + 1
      try source.read(parameter.path.name, shape: parameter.shape, rows: rows, into: scratch.prefix())
      var weight = Self.matrix(UnsafeRawBufferPointer(scratch.prefix()), parameter.type, shape)
      guard weight.isFinite else {
        throw .invalid(
          path: source.path, item: parameter.path.name, expected: "finite numbers", found: "NaN or infinity")
      }
      if next < adapted.count, adapted[next] == matrix {
        weight = weight + settings.increment(parameter.path.role, a: a, b: b, index: next)
        next += 1
      }
      try weight.withBytes(as: type, named: parameter.path.name, body)
    }
    return true
  }

  /// Stored elements as float32.
  private static func matrix(_ bytes: UnsafeRawBufferPointer, _ type: ElementType, _ shape: [Int]) -> Tensor {
    if type == .float16 { return Tensor(halves: bytes, shape: shape) }
    let tensor = Tensor.read(shape, dtype: type == .bfloat16 ? .bfloat16 : .float32) { (target) throws(Never) in
      target.copyMemory(from: bytes)
    }
    return tensor.stored(as: .float32)
  }
}
