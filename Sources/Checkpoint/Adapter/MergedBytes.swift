internal import Models
internal import Tensors

extension AdapterGroup {
  /// Calls `body` with `W + α/r · B · A` of a parameter: added in float32, then rounded once to `type`.
  ///
  /// Works matrix by matrix, so that of a stack of experts no more lives at once than what is read and what is written.
  ///
  /// - Parameters:
  ///   - parameter: An adapted parameter.
  ///   - type: Element type of the result.
  ///   - source: Where W lies.
  ///   - body: Receives the elements.
  /// - Returns: Whether the parameter is adapted; `body` is not called otherwise.
  /// - Throws: ``FileError`` when a tensor cannot be read or is not finite; what `body` throws.
  func withMergedBytes(
    _ parameter: StoredParameter, as type: ElementType, over source: any TensorSource,
    _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
  ) throws(FileError) -> Bool {
    guard let (a, b) = try factors(parameter) else { return false }
    let shape = Array(parameter.shape.suffix(2))
    let count = shape.reduce(1, *)
    let input = UnsafeMutableRawBufferPointer.allocate(byteCount: parameter.byteCount, alignment: 64)
    defer { input.deallocate() }
    try source.read(parameter.path.name, shape: parameter.shape, into: input)
    let output = UnsafeMutableRawBufferPointer.allocate(
      byteCount: parameter.count * type.byteCount, alignment: 64)
    defer { output.deallocate() }
    let matrices = parameter.count / count
    let adapted =
      parameter.shape.count == 2 ? [0] : settings.experts(of: parameter.path.parent.name, count: matrices)
    var next = 0
    for matrix in 0..<matrices {
      let stored = UnsafeRawBufferPointer(
        rebasing: input[matrix * count * parameter.type.byteCount..<(matrix + 1) * count * parameter.type.byteCount])
      var weight = Self.matrix(stored, parameter.type, shape)
      guard weight.isFinite else {
        throw .invalid(
          path: source.path, item: parameter.path.name, expected: "finite numbers", found: "NaN or infinity")
      }
      if next < adapted.count, adapted[next] == matrix {
        weight = weight + settings.increment(parameter.path.role, a: a, b: b, index: next)
        next += 1
      }
      let target = UnsafeMutableRawBufferPointer(
        rebasing: output[matrix * count * type.byteCount..<(matrix + 1) * count * type.byteCount])
      try weight.withBytes(as: type) { (bytes) throws(FileError) in target.copyMemory(from: bytes) }
    }
    try body(UnsafeRawBufferPointer(output))
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
