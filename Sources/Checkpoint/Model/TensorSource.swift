internal import Files

/// A model's weights in some file format, under the parameter paths of the module tree.
///
/// Formats differ in how tensors are named and cut; a source hides that: experts are always stacked per layer. Parts of
/// parameters may be read from several threads at once.
protocol TensorSource {
  /// File or folder, for messages.
  var path: String { get }
  /// Number of tensors in the files, whatever they are: a bound for what a configuration may ask for.
  var tensorCount: Int { get throws(FileError) }
  /// Element type of a parameter.
  ///
  /// - Throws: ``FileError`` when it is missing, mis-shaped or of a type that cannot be read.
  func type(of name: String, shape: [Int]) throws(FileError) -> ElementType
  /// Reads entries of a parameter's first axis as stored, into memory of exactly their size.
  func read(
    _ name: String, shape: [Int], rows: Range<Int>, into buffer: UnsafeMutableRawBufferPointer) throws(FileError)
  /// A parameter as mapped memory, where its file was laid out for that; nil where it has to be read. `verifying` says
  /// whether all of it is compared with its checksum first.
  func map(_ name: String, verifying: Bool) throws(FileError) -> MappedArray?
  /// Tensors in the file that belong to no parameter of the list and are not left out on purpose; an error if there are
  /// any.
  func unexpected(besides parameters: [(name: String, shape: [Int])]) throws(FileError) -> [String]
  /// Tensors that are left out on purpose, because they follow from others.
  var unused: [String] { get }
}

extension TensorSource {
  /// Reads all of a parameter.
  func read(
    _ name: String, shape: [Int], into buffer: UnsafeMutableRawBufferPointer
  ) throws(FileError) {
    try read(name, shape: shape, rows: 0..<(shape.first ?? 1), into: buffer)
  }

  func map(_ name: String, verifying: Bool) throws(FileError) -> MappedArray? { nil }
  var unused: [String] { [] }
}
