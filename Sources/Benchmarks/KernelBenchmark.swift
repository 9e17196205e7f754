internal import Placements
internal import Routing
internal import Formats
public import Models
internal import Tensors
internal import Training

/// Time of a model's largest operations, forward, on random values.
public struct KernelBenchmark: Sendable {
  /// One operation.
  public struct Row: Sendable, Equatable, Encodable {
    /// What it is.
    public let name: String
    /// Sizes in words.
    public let shape: String
    /// Milliseconds of the middle repetition.
    public let milliseconds: Double
    /// Billions of floating-point operations a second for products, of bytes read and written for the others.
    public let rate: Double
    /// `GFLOP/s` or `GB/s`.
    public let unit: String
  }

  /// Sizes.
  public let shape: BenchmarkShape
  /// Timed repetitions.
  public let steps: Int

  /// A measurement.
  ///
  /// - Parameters:
  ///   - shape: Sizes.
  ///   - steps: Timed repetitions, at least one.
  public init(_ shape: BenchmarkShape, steps: Int) {
    precondition(steps > 0, "KernelBenchmark: \(steps) steps")
    (self.shape, self.steps) = (shape, steps)
  }

  /// Measures every operation once.
  ///
  /// - Returns: One row an operation.
  /// - Throws: `ConfigurationError` for an impossible shape.
  public func run() throws(ConfigurationError) -> [Row] {
    let model = try shape.model(seed: 0)
    let layer = model.layers[0]
    guard let moe = layer.moe, let attention = layer.attention as? Attention else {
      preconditionFailure("KernelBenchmark: the shape of a benchmark is a sparse block with grouped heads")
    }
    let batch = TokenBatch(sequences: shape.tokens(shape.sequence, seed: 0))
    let (t, h, e, k) = (batch.tokens.count, shape.hidden, shape.experts, shape.topK)
    let x = model.embedding.gatherRows(batch.tokens)
    let (gate, routing) = (moe.gate(x), moe.route(x))
    let assignment = ExpertAssignment(routing.used, k: k, experts: e)
    let targets = batch.tokens
    let devices = [4, 2].first { e.isMultiple(of: $0) } ?? 1
    let expected = ExpectedDevices(
      placement: PlacementMethod.contiguous(experts: e, devices: devices), devices: devices, topK: k)
    let logits = gate.elements
    return [
      products("projection", "[\(t), \(h)] · [\(h), \(h)]", 2 * t * h * h) {
        _ = attention.queryProjection(x)
      },
      products(
        "experts", "\(counted(t * k, "row")), \(e) × \(h) × \(shape.intermediate)", 6 * t * k * h * shape.intermediate
      ) {
        _ = x.experts(assignment, weights: routing.weights, gateUp: moe.experts.gateUp, down: moe.experts.down)
      },
      products(
        "attention", "\(shape.batch) × \(shape.sequence), \(counted(shape.heads, "head"))",
        2 * t * (shape.sequence + 1) * h
      ) {
        _ = x.causalAttention(
          keys: x, values: x, heads: shape.heads, kvHeads: shape.heads, segments: batch.segments)
      },
      products("cross-entropy", "[\(t), \(h)] · [\(h), \(shape.vocabulary)]", 2 * t * h * shape.vocabulary) {
        _ = x.crossEntropy(projectedBy: model.outputWeight, targets: targets)
      },
      moves("rms_norm", "[\(t), \(h)]", 8 * t * h) { _ = layer.inputNorm(x) },
      moves("softmax", "[\(t), \(e)]", 8 * t * e) { _ = gate.softmax() },
      moves("expected devices", "[\(t), \(e)], D = \(devices), with gradient, one thread", 8 * t * e) {
        _ = expected.evaluate(logits)
      },
      moves("add", "[\(t), \(h)]", 12 * t * h) { _ = x + x },
    ]
  }

  private func products(_ name: String, _ shape: String, _ operations: Int, _ body: () -> Void) -> Row {
    row(name, shape, operations, "GFLOP/s", body)
  }

  private func moves(_ name: String, _ shape: String, _ bytes: Int, _ body: () -> Void) -> Row {
    row(name, shape, bytes, "GB/s", body)
  }

  private func row(_ name: String, _ shape: String, _ work: Int, _ unit: String, _ body: () -> Void) -> Row {
    body()
    let seconds = (0..<steps).map { _ in
      let begun = Clock.monotonic()
      body()
      return Clock.monotonic() - begun
    }
    let middle = BenchmarkReport.Rates(seconds).median
    return Row(
      name: name, shape: shape, milliseconds: middle * 1e3, rate: Double(work) / middle / 1e9, unit: unit)
  }
}
