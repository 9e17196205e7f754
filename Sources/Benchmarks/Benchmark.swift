internal import Files
internal import Host
public import Models
internal import Tensors
internal import Training

/// Sizes of a random model and of what is done with it.
public struct BenchmarkShape: Sendable, Equatable, Encodable {
  /// Sizes of the model.
  public var layers = 6, hidden = 256, heads = 8, experts = 16, intermediate = 128, topK = 4, vocabulary = 4096
  /// Sequences in a batch, and tokens in one.
  public var batch = 4, sequence = 256
  /// Decoding: tokens of the prompt, and tokens that are added.
  public var prompt = 64, new = 64

  private enum CodingKeys: String, CodingKey {
    case layers, hidden, heads, experts, intermediate, vocabulary, batch, sequence, prompt, new
    case topK = "top_k"
  }

  /// The standard sizes.
  public init() {}

  /// A random model of this shape.
  ///
  /// - Parameter seed: Seed of the weights.
  /// - Returns: The model in float32, outside the graph.
  /// - Throws: `ConfigurationError` naming the size that is impossible, or all of them where memory does not hold them.
  public func model(seed: UInt64) throws(ConfigurationError) -> LanguageModel {
    let configuration = try OLMoE.configuration(
      layers: layers, hidden: hidden, heads: heads, experts: experts, intermediate: intermediate, topK: topK,
      vocabulary: vocabulary, context: max(sequence, prompt + new))
    let available = Memory.limits.least
    guard leastBytes <= Double(available.bytes) else {
      throw .invalid(
        key: "sizes", file: "shape",
        expected: "weights and a batch within \(ByteSize.words(available.bytes)) (\(available.source.words))",
        found: ByteSize.words(Int(clamping: UInt64(min(leastBytes, 0x1p62)))))
    }
    return ModelFamily.random(configuration, seed: seed)
  }

  /// Bytes of the weights of layers and vocabulary, and of one batch of hidden states: less than any work takes.
  var leastBytes: Double {
    let width = Double(hidden)
    let layer = 3 * Double(experts) * Double(intermediate) * width + 4 * width * width
    let states = Double(batch) * Double(max(sequence, prompt + new)) * width
    return 4 * (Double(layers) * layer + 2 * Double(vocabulary) * width + states)
  }

  /// Random token ids: sequences of the given length.
  func tokens(_ length: Int, seed: UInt64) -> [[Int32]] {
    var state = seed
    return (0..<batch).map { _ in
      (0..<length).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int32((state >> 33) % UInt64(vocabulary))
      }
    }
  }
}

/// Speed of one kind of work on a random model.
public struct BenchmarkReport: Sendable, Equatable, Encodable {
  /// Lowest, middle and highest of the timed repetitions.
  public struct Rates: Sendable, Equatable, Encodable {
    /// Tokens a second.
    public let min, median, max: Double

    /// Sorts the rates; the median of an even number is the mean of the two in the middle.
    init(_ rates: [Double]) {
      let sorted = rates.sorted()
      let middle = sorted.count / 2
      (min, max) = (sorted[0], sorted[sorted.count - 1])
      median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
  }

  /// `train`, `prefill` or `decode`.
  public let mode: String
  /// Tokens a second.
  public let tokensPerSecond: Rates
  /// Highest resident memory of the process.
  public let peakBytes: Int
  /// Kernels of OpenBLAS.
  public let blasCore: String
  /// Level of our own kernels.
  public let kernels: String
  /// Threads that compute.
  public let threads: Int
  /// Parameters of the model.
  public let parameters: Int
  /// Timed repetitions.
  public let steps: Int
  /// Sizes.
  public let shape: BenchmarkShape

  private enum CodingKeys: String, CodingKey {
    case mode, kernels, threads, parameters, steps, shape
    case tokensPerSecond = "tokens_per_second"
    case peakBytes = "peak_rss_bytes"
    case blasCore = "blas_core"
  }

  init(_ mode: String, _ shape: BenchmarkShape, _ model: LanguageModel, rates: [Double]) {
    self.mode = mode
    tokensPerSecond = Rates(rates)
    peakBytes = Memory.peakResidentBytes
    (blasCore, kernels, threads) = (BLAS.shared.coreName, BLAS.kernelVariant, Parallel.threads)
    parameters = model.configuration.parameterCount
    (self.shape, steps) = (shape, rates.count)
  }
}

/// Speed with and without profiling.
public struct ProfilingCost: Sendable, Equatable, Encodable {
  /// Passes alone.
  public let plain: BenchmarkReport
  /// Passes whose routing is counted.
  public let profiled: BenchmarkReport
  /// Time that counting adds, as a share of the passes' time: lowest, middle and highest of the repetitions.
  public let overhead: BenchmarkReport.Rates
  /// The same of processor time, which other programs disturb less; compare it with one thread (`OCCULT_THREADS=1`),
  /// since threads without work wait busily for a while.
  public let processorOverhead: BenchmarkReport.Rates

  private enum CodingKeys: String, CodingKey {
    case plain, profiled, overhead
    case processorOverhead = "processor_overhead"
  }
}
