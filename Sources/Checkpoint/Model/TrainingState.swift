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
  /// The best validation so far; nil before the first.
  public var best: Best?

  /// A validation that was the best, and how many have come since without progress.
  public struct Best: Sendable, Equatable {
    /// Optimizer steps done when it was made.
    public var step: Int
    /// In nats per counted token.
    public var loss: Double
    /// Validations since.
    public var stale: Int

    /// The best of some validations.
    public init(step: Int, loss: Double, stale: Int) { (self.step, self.loss, self.stale) = (step, loss, stale) }
  }

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

  /// What is written of a moment: itself, or where it is a shard, the whole. Called in the order of ``order``.
  public var assemble: @Sendable (_ name: String, Tensor) -> Tensor = { $1 }

  /// Every moment in the order in which they are written.
  public var order: [(name: String, moment: Tensor)] {
    moments.sorted { $0.key < $1.key }.flatMap { [($0.key, $0.value.first), ($0.key, $0.value.second)] }
  }

  /// Writes `/training`.
  func write(to file: borrowing HDF5Writer) throws(FileError) {
    try file.makeGroup("training")
    for (name, moment) in moments.sorted(by: { $0.key < $1.key }) {
      for (group, part) in [(Self.groups.first, moment.first), (Self.groups.second, moment.second)] {
        let tensor = assemble(name, part)
        let dataset = group + name.replacing(".", with: "/")
        try tensor.withBytes { (bytes) throws(FileError) in
          try file.write(dataset, shape: tensor.shape, type: .float32, bytes: bytes)
        }
      }
    }
    try file.setAttribute("step", .integer(step), of: "training")
    try file.setAttribute("tokens", .integer(tokens), of: "training")
    try file.setAttribute("batch_order", .string(batchOrder), of: "training")
    if let best {
      try file.setAttribute("best_step", .integer(best.step), of: "training")
      try file.setAttribute("best_loss", .real(best.loss), of: "training")
      try file.setAttribute("best_stale", .integer(best.stale), of: "training")
    }
  }

  /// Reads the state that a checkpoint carries.
  ///
  /// - Parameters:
  ///   - path: A checkpoint of a run.
  ///   - shard: The experts of each stacked parameter that are wanted; nil for all of them.
  /// - Throws: ``FileError``; `.missing` when the file carries no state, as a final checkpoint does not.
  public init(readingFrom path: String, shard: ExpertShard? = nil) throws(FileError) {
    let file = try HDF5Reader(path)
    guard try file.contains("training") else {
      throw .missing(path: path, item: "/training", nearest: nil)
    }
    var moments: [String: (first: Tensor, second: Tensor)] = [:]
    for dataset in try file.datasets() where dataset.hasPrefix("/" + Self.groups.first) {
      let name = String(dataset.dropFirst(Self.groups.first.count + 1))
      let experts = shard?.experts(of: name.replacing("/", with: "."))
      moments[name.replacing("/", with: ".")] = (
        try Self.tensor(file, dataset, experts), try Self.tensor(file, "/" + Self.groups.second + name, experts)
      )
    }
    self.init(
      step: try file.integer(attribute: "step", of: "training"),
      tokens: try file.integer(attribute: "tokens", of: "training"),
      batchOrder: try file.string(attribute: "batch_order", of: "training"), moments: moments)
    if try file.attribute("best_step", of: "training") != nil {
      best = Best(
        step: try file.integer(attribute: "best_step", of: "training"),
        loss: try file.real(attribute: "best_loss", of: "training"),
        stale: try file.integer(attribute: "best_stale", of: "training"))
    }
  }

  private static func tensor(_ file: HDF5Reader, _ dataset: String, _ entries: [Int]?) throws(FileError) -> Tensor {
    let shape = try file.info(dataset).shape
    let whole = entries == nil
    let tensor = try Tensor.read(
      whole ? shape : [entries?.count ?? 0] + shape.dropFirst(), dtype: .float32
    ) { (bytes) throws(FileError) in
      guard let entries else { return try file.read(dataset, shape: shape, type: .float32, into: bytes) }
      let width = shape.dropFirst().reduce(4, *)
      for (place, entry) in entries.enumerated() {
        try file.read(
          dataset, rows: entry..<entry + 1, shape: shape, type: .float32,
          into: UnsafeMutableRawBufferPointer(rebasing: bytes[place * width..<(place + 1) * width]))
      }
    }
    guard tensor.isFinite else {
      throw .invalid(path: file.path, item: dataset, expected: "finite numbers", found: "NaN or infinity")
    }
    return tensor
  }
}
