internal import Files
internal import Tensors

/// A parameter's elements in pieces of about 16 MiB, so that no more of a model than that is held while it is copied.
struct ParameterPieces {
  /// Entries of the first axis of each piece, in order.
  let rows: [Range<Int>]
  /// Elements in an entry of the first axis.
  let rowCount: Int

  /// - Parameters:
  ///   - shape: Extents of the parameter.
  ///   - type: The type it is written in: pieces are whole chunks of a checkpoint in that type, thus whole experts.
  init(_ shape: [Int], as type: ElementType) {
    let total = shape.first ?? 1
    rowCount = shape.dropFirst().reduce(1, *)
    var step = 1
    if case .chunked(let chunk, _, _, _) = .chunked(shape: shape, type: type) as HDF5Layout {
      let bytes = max(1, chunk[0] * rowCount * type.byteCount)
      step = chunk[0] * max(1, Self.bytes / bytes)
    }
    rows = stride(from: 0, to: total, by: step).map { $0..<min($0 + step, total) }
  }

  private static let bytes = 16 << 20
}

extension ElementType {
  /// The encoding of weights, nil for a type that weights cannot have.
  var encoding: WeightEncoding? {
    switch self {
    case .float32: .float32
    case .bfloat16: .bfloat16
    case .float16: .float16
    default: nil
    }
  }
}

extension WeightEncoding {
  /// Converts a piece of a parameter and says where that is impossible.
  ///
  /// - Parameters:
  ///   - bytes: Elements in this encoding.
  ///   - encoding: How they are wanted.
  ///   - scratch: Memory for them, used where the two differ.
  ///   - place: File, parameter and the number of its elements before these, for messages.
  /// - Returns: The elements, in `bytes` or in `scratch`.
  /// - Throws: ``FileError/invalid(path:item:expected:found:)`` for a number that is not finite, or not any more.
  func checked(
    _ bytes: UnsafeRawBufferPointer, as encoding: WeightEncoding, in scratch: UnsafeMutableRawBufferPointer,
    _ place: (path: String, name: String, element: Int)
  ) throws(FileError) -> UnsafeRawBufferPointer {
    try checkFinite(bytes, place)
    guard encoding != self else { return bytes }
    let used = UnsafeMutableRawBufferPointer(
      rebasing: scratch[..<(bytes.count / byteCount * encoding.byteCount)])
    convert(bytes, into: used, as: encoding)
    if let bad = encoding.firstNonFinite(in: UnsafeRawBufferPointer(used)) {
      throw .invalid(
        path: place.path, item: place.name, expected: "numbers in the range of \(encoding)",
        found: "a larger one at element \(place.element + bad.index)")
    }
    return UnsafeRawBufferPointer(used)
  }

  /// Throws for the first number that is not finite, and says where it is.
  func checkFinite(
    _ bytes: UnsafeRawBufferPointer, _ place: (path: String, name: String, element: Int)
  ) throws(FileError) {
    guard let bad = firstNonFinite(in: bytes) else { return }
    throw .invalid(
      path: place.path, item: place.name, expected: "finite numbers",
      found: "\(bad.value) at element \(place.element + bad.index)")
  }
}
