/// A model's weights in some file format, under the parameter paths of the module tree.
///
/// Formats differ in how tensors are named and cut; a source hides that: experts are always stacked per layer.
protocol TensorSource {
  /// File or folder, for messages.
  var path: String { get }
  /// Element type of a parameter.
  ///
  /// - Throws: ``FileError`` when it is missing, mis-shaped or of a type that cannot be read.
  func type(of name: String, shape: [Int]) throws(FileError) -> ElementType
  /// Reads a parameter's elements as stored.
  func read(_ name: String, shape: [Int], into buffer: UnsafeMutableRawBufferPointer) throws(FileError)
  /// Tensors in the file that belong to no parameter of the list, an error if there are any.
  func unexpected(besides names: [String]) throws(FileError) -> [String]
}
