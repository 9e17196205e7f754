public import Tensors

/// Where a fine-tuning run stands: everything besides the weights that the next step depends on.
public struct TrainingState: Sendable {
  /// Optimizer steps done.
  public var step: Int
  /// Tokens trained on so far.
  public var tokens: Int
  /// Identity of the order of batches; a resumed run must have the same.
  public var batchOrder: String
  /// First and second moments by parameter name, float32.
  public var moments: [String: (first: Tensor, second: Tensor)]

  /// A state after `step` steps.
  ///
  /// - Parameters:
  ///   - step: Optimizer steps done.
  ///   - tokens: Tokens trained on so far.
  ///   - batchOrder: Identity of the order of batches.
  ///   - moments: First and second moments by parameter name.
  public init(step: Int, tokens: Int, batchOrder: String, moments: [String: (first: Tensor, second: Tensor)]) {
    (self.step, self.tokens, self.batchOrder, self.moments) = (step, tokens, batchOrder, moments)
  }

  private static let groups = (first: "training/first_moment/", second: "training/second_moment/")

  /// Writes `/training`.
  func write(to file: borrowing HDF5Writer) throws(FileError) {
    try file.makeGroup("training")
    for (name, moment) in moments.sorted(by: { $0.key < $1.key }) {
      for (group, tensor) in [(Self.groups.first, moment.first), (Self.groups.second, moment.second)] {
        let dataset = group + name.replacing(".", with: "/")
        try tensor.withBytes { (bytes) throws(FileError) in
          try file.write(dataset, shape: tensor.shape, type: .float32, bytes: bytes)
        }
      }
    }
    try file.setAttribute("step", .integer(step), of: "training")
    try file.setAttribute("tokens", .integer(tokens), of: "training")
    try file.setAttribute("batch_order", .string(batchOrder), of: "training")
  }

  /// Reads the state that a checkpoint carries.
  ///
  /// - Parameter path: A checkpoint of a run.
  /// - Throws: ``FileError``; `.missing` when the file carries no state, as a final checkpoint does not.
  public init(readingFrom path: String) throws(FileError) {
    let file = try HDF5Reader(path)
    guard try file.contains("training") else {
      throw .missing(path: path, item: "/training", nearest: nil)
    }
    var moments: [String: (first: Tensor, second: Tensor)] = [:]
    for dataset in try file.datasets() where dataset.hasPrefix("/" + Self.groups.first) {
      let name = String(dataset.dropFirst(Self.groups.first.count + 1))
      moments[name.replacing("/", with: ".")] = (
        try Self.tensor(file, dataset), try Self.tensor(file, "/" + Self.groups.second + name)
      )
    }
    self.init(
      step: try file.integer(attribute: "step", of: "training"),
      tokens: try file.integer(attribute: "tokens", of: "training"),
      batchOrder: try file.string(attribute: "batch_order", of: "training"), moments: moments)
  }

  private static func tensor(_ file: HDF5Reader, _ dataset: String) throws(FileError) -> Tensor {
    let shape = try file.info(dataset).shape
    let tensor = try Tensor.read(shape, dtype: .float32) { (bytes) throws(FileError) in
      try file.read(dataset, shape: shape, type: .float32, into: bytes)
    }
    guard tensor.isFinite else {
      throw .invalid(path: file.path, item: dataset, expected: "finite numbers", found: "NaN or infinity")
    }
    return tensor
  }
}
