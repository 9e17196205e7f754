internal import Files
internal import Tensors

extension HDF5Reader {
  /// A dataset of float32, or some entries of its first axis; nothing of the others enters memory.
  ///
  /// - Parameters:
  ///   - dataset: Its path.
  ///   - entries: Numbers of the entries; nil for all.
  /// - Returns: The tensor, entries in the order asked for.
  /// - Throws: ``FileError``, also for numbers that are not finite.
  func tensor(_ dataset: String, _ entries: [Int]? = nil) throws(FileError) -> Tensor {
    let shape = try info(dataset).shape
    let kept = entries.map { [$0.count] + shape.dropFirst() } ?? shape
    let tensor = try Tensor.read(kept, dtype: .float32) { (bytes) throws(FileError) in
      guard let entries else { return try read(dataset, shape: shape, type: .float32, into: bytes) }
      let width = shape.dropFirst().reduce(4, *)
      for (place, entry) in entries.enumerated() {
        try read(
          dataset, rows: entry..<entry + 1, shape: shape, type: .float32,
          into: UnsafeMutableRawBufferPointer(rebasing: bytes[place * width..<(place + 1) * width]))
      }
    }
    guard tensor.isFinite else {
      throw .invalid(path: path, item: dataset, expected: "finite numbers", found: "NaN or infinity")
    }
    return tensor
  }
}
