public import Files
public import Tensors

/// Where a fine-tuning run stands: everything besides the weights that the next step depends on.
public struct TrainingState: Sendable {
  /// Optimizer steps done.
  public var step: Int
  /// Tokens trained on so far.
  public var tokens: Int
  /// Identity of the order of batches; a resumed run must have the same.
  public var batchOrder: String
  /// Identity of the run; nil in files of version 0.1.
  public var run: String?
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
    try file.setAttribute("moment_count", .integer(moments.count), of: "training")
    if let run { try file.setAttribute("run", .string(run), of: "training") }
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
  /// - Throws: ``FileError``; `.missing` when the file carries no state, as a final checkpoint does not, or a moment
  ///   that it says it has.
  public init(readingFrom path: String, shard: ExpertShard? = nil) throws(FileError) {
    let file = try HDF5Reader(path)
    guard try file.contains("training") else {
      throw .missing(path: path, item: "/training", nearest: nil)
    }
    var moments: [String: (first: Tensor, second: Tensor)] = [:]
    for dataset in try file.datasets() where dataset.hasPrefix("/" + Self.groups.first) {
      let name = String(dataset.dropFirst(Self.groups.first.count + 1))
      let entries = shard?.entries(of: name.replacing("/", with: "."))
      moments[name.replacing("/", with: ".")] = (
        try file.tensor(dataset, entries), try file.tensor("/" + Self.groups.second + name, entries)
      )
    }
    if case .integer(let count)? = try file.attribute("moment_count", of: "training"), count != moments.count {
      throw .invalid(
        path: path, item: "/training", expected: "moments of \(count) parameters", found: "\(moments.count)")
    }
    self.init(
      step: try file.integer(attribute: "step", of: "training"),
      tokens: try file.integer(attribute: "tokens", of: "training"),
      batchOrder: try file.string(attribute: "batch_order", of: "training"), moments: moments)
    if case .string(let identity)? = try file.attribute("run", of: "training") { run = identity }
    if try file.attribute("best_step", of: "training") != nil {
      best = Best(
        step: try file.integer(attribute: "best_step", of: "training"),
        loss: try file.real(attribute: "best_loss", of: "training"),
        stale: try file.integer(attribute: "best_stale", of: "training"))
    }
  }
}
