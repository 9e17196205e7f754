internal import Host
public import Profiles
internal import Tensors

/// Collaboration statistics of a model on text: what its routers choose before any limit.
///
/// A profile describes the model's own choice, so a limit that the model is under does not enter the counts of a layer;
/// it does change the hidden states that later layers see.
public struct ModelProfiler {
  /// The model.
  public let model: LanguageModel
  /// Tokens in a pass, at least one document.
  public let batchTokens: Int
  /// Most recorded sets per layer.
  public let recordedLimit: Int
  /// Tokens of a layer that all experts run on, evenly spread over the text; 0 leaves output similarity out.
  public let outputSimilarityTokens: Int
  /// Seed of the sample of recorded sets.
  public let seed: UInt64

  /// A profile and what it took.
  public struct Result: Sendable {
    /// The profile.
    public let profile: CollaborationProfile
    /// Time without the experts' outputs.
    public let seconds: Double
    /// Time of running all experts on the sample and comparing them.
    public let outputSimilaritySeconds: Double
  }

  /// A profiler.
  ///
  /// - Parameters:
  ///   - model: Its parameters need not be tracked.
  ///   - batchTokens: Tokens in a pass.
  ///   - recordedLimit: Most recorded sets per layer.
  ///   - outputSimilarityTokens: Tokens of a layer that all experts run on; 0 leaves output similarity out.
  ///   - seed: Of the sample of recorded sets.
  public init(
    _ model: LanguageModel, batchTokens: Int = 2048, recordedLimit: Int = 100_000, outputSimilarityTokens: Int = 0,
    seed: UInt64 = 0
  ) {
    (self.model, self.batchTokens, self.recordedLimit) = (model.untracked(), batchTokens, recordedLimit)
    (self.outputSimilarityTokens, self.seed) = (outputSimilarityTokens, seed)
  }

  /// Runs the model over documents, each by itself, without padding.
  ///
  /// - Parameters:
  ///   - documents: Pieces of text; their numbers are recorded with the sets.
  ///   - data: What the text is, in words.
  ///   - progress: Told the tokens done.
  /// - Returns: The profile.
  /// - Throws: ``ProfilingError`` where a router's logits or an expert's outputs are not finite.
  public func profile(
    _ documents: [(id: Int, tokens: [Int32])], data: String, progress: (Int) -> Void = { _ in }
  ) throws(ProfilingError) -> CollaborationProfile {
    try run(documents, data: data, progress: progress).profile
  }

  /// The same with the time it took.
  ///
  /// - Parameters:
  ///   - documents: Pieces of text; their numbers are recorded with the sets.
  ///   - data: What the text is, in words.
  ///   - progress: Told the tokens done.
  /// - Returns: Profile and times.
  /// - Throws: ``ProfilingError`` where a router's logits or an expert's outputs are not finite.
  public func run(
    _ documents: [(id: Int, tokens: [Int32])], data: String, progress: (Int) -> Void = { _ in }
  ) throws(ProfilingError) -> Result {
    let before = Activity.current
    defer { Activity.note(before) }
    let began = ContinuousClock.now
    let configuration = model.configuration
    var accumulator = ProfileAccumulator(
      experts: configuration.experts, topK: configuration.topK, recordedLimit: recordedLimit, seed: seed)
    var outputs = OutputSample(outputSimilarityTokens, of: documents.reduce(0) { $0 + $1.tokens.count })
    var (next, done) = (0, 0)
    while next < documents.count {
      Activity.note("the profile after \(done) tokens")
      var batch: [(id: Int, tokens: [Int32])] = []
      var tokens = 0
      while next < documents.count, batch.isEmpty || tokens + documents[next].tokens.count <= batchTokens {
        batch.append(documents[next])
        tokens += documents[next].tokens.count
        next += 1
      }
      let ids = batch.flatMap { Array(repeating: Int32($0.id), count: $0.tokens.count) }
      let rows = outputs.rows(in: done..<done + tokens)
      let pass =
        rows.isEmpty
        ? model(TokenBatch(sequences: batch.map(\.tokens)))
        : model(TokenBatch(sequences: batch.map(\.tokens))) { layer, x in outputs.add(layer, x.gatherRows(rows)) }
      // All layers side by side: one after the other, they would keep the other cores waiting.
      accumulator.add(
        pass.routing.map {
          .init(
            layer: $0.layer, topK: $0.chosen, weights: $0.chosenWeights.elements, logits: $0.logits.elements)
        }, documents: ids, run: Parallel.run)
      for routing in pass.routing where accumulator.nonFiniteTokens(layer: routing.layer) > 0 {
        throw .notFinite(layer: routing.layer)
      }
      done += tokens
      progress(done)
    }
    let profile = accumulator.profile(
      modelType: configuration.modelType, data: data, outputSimilarity: try outputs.tables())
    let seconds = (ContinuousClock.now - began) / .seconds(1)
    return Result(
      profile: profile, seconds: seconds - outputs.seconds, outputSimilaritySeconds: outputs.seconds)
  }
}

/// Running all experts on a sample of tokens, layer by layer as the model passes through them.
private struct OutputSample {
  /// Numbers of the tokens that are in the sample, ascending.
  private let tokens: [Int]
  private var layers: [Int: OutputSimilarity] = [:]
  private(set) var seconds = 0.0

  /// Most values of outputs that are kept at a time.
  private static let outputValues = 8 << 20

  init(_ count: Int, of total: Int) {
    let count = min(count, total)
    tokens = (0..<count).map { $0 * total / count }
  }

  /// Rows of a batch that are in the sample.
  func rows(in batch: Range<Int>) -> [Int32] {
    tokens.filter(batch.contains).map { Int32($0 - batch.lowerBound) }
  }

  mutating func add(_ layer: MoELayer, _ x: Tensor) {
    let began = ContinuousClock.now
    let experts = layer.experts.experts
    var sums = layers.removeValue(forKey: layer.number) ?? OutputSimilarity(experts: experts)
    let block = max(1, Self.outputValues / (experts * x.columns))
    for start in stride(from: 0, to: x.rows, by: block) {
      let rows = (Int32(start)..<Int32(min(start + block, x.rows))).map { $0 }
      layer.outputs(of: x.gatherRows(rows)).withElements {
        sums.add($0, tokens: rows.count, run: Parallel.run)
      }
    }
    layers[layer.number] = sums
    seconds += (ContinuousClock.now - began) / .seconds(1)
  }

  func tables() throws(ProfilingError) -> [Int: [Float]] {
    let tables = layers.mapValues(\.table)
    for (layer, table) in tables.sorted(by: { $0.key < $1.key }) where !table.allSatisfy(\.isFinite) {
      throw .outputs(layer: layer)
    }
    return tables
  }
}

/// Why a model cannot be profiled.
public enum ProfilingError: Error, Equatable, CustomStringConvertible {
  /// Router logits that are infinite or not a number.
  case notFinite(layer: Int)
  /// Outputs of experts that are infinite or not a number.
  case outputs(layer: Int)

  /// `where: expected …, found …; try …`.
  public var description: String {
    switch self {
    case .notFinite(let layer):
      "layer \(layer): expected finite router logits, found NaN or infinity; try another checkpoint"
    case .outputs(let layer):
      "layer \(layer): expected finite outputs of all experts, found NaN or infinity; try another checkpoint, or "
        + "--output-similarity-tokens 0"
    }
  }
}
