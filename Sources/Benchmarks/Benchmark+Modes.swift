internal import Models
internal import Tensors
internal import Text
internal import Training

/// Measures training, prefill and decoding of a random model.
public struct Benchmark: Sendable {
  /// Sizes.
  public let shape: BenchmarkShape
  /// Timed repetitions.
  public let steps: Int
  /// Repetitions before them.
  public let warmup: Int
  /// Seed of weights and tokens.
  public let seed: UInt64

  /// A measurement.
  ///
  /// - Parameters:
  ///   - shape: Sizes.
  ///   - steps: Timed repetitions, at least one.
  ///   - warmup: Repetitions before them.
  ///   - seed: Of weights and tokens.
  public init(_ shape: BenchmarkShape, steps: Int, warmup: Int, seed: UInt64 = 0) {
    precondition(steps > 0 && warmup >= 0, "Benchmark: \(steps) steps after \(warmup)")
    (self.shape, self.steps, self.warmup, self.seed) = (shape, steps, warmup, seed)
  }

  /// Full training steps: forward with the balance loss, backward, AdamW over all parameters.
  ///
  /// - Parameter progress: Told the repetitions done, warm-up included.
  /// - Returns: Tokens of the batch a second.
  /// - Throws: `ConfigurationError` for an impossible shape, `TrainingError` when a loss is not finite.
  public func train(progress: (Int) -> Void = { _ in }) throws -> BenchmarkReport {
    var model = try shape.model(seed: seed)
    model.train(Set(Role.allCases))
    var optimizer = AdamW(learningRate: 1e-4, weightDecay: 0.1)
    let step = TrainingStep(terms: LossTerms(auxiliary: .hf, auxiliaryCoefficient: 0.01))
    let documents = shape.tokens(shape.sequence, seed: seed).enumerated().map { id, tokens in
      [TokenizedDocument(tokens: tokens, hasLoss: tokens.map { _ in true }, id: id, source: "random")]
    }
    let batch = Batch(sequences: documents)
    var number = 0
    let rates = try measure(progress) {
      number += 1
      let begun = Clock.monotonic()
      let gradients = try step(model, [batch], step: number).gradients
      optimizer.update(&model, gradients)
      return Double(batch.tokens.count) / (Clock.monotonic() - begun)
    }
    return BenchmarkReport("train", shape, model, rates: rates)
  }

  /// Whole sequences, with logits at every position.
  ///
  /// - Parameter progress: Told the repetitions done, warm-up included.
  /// - Returns: Tokens a second.
  /// - Throws: `ConfigurationError` for an impossible shape.
  public func prefill(progress: (Int) -> Void = { _ in }) throws -> BenchmarkReport {
    let model = try shape.model(seed: seed)
    let batch = TokenBatch(sequences: shape.tokens(shape.sequence, seed: seed))
    let rates = try measure(progress) {
      let begun = Clock.monotonic()
      _ = model.logits(model(batch).hidden)
      return Double(batch.tokens.count) / (Clock.monotonic() - begun)
    }
    return BenchmarkReport("prefill", shape, model, rates: rates)
  }

  /// Greedy decoding with keys and values kept; reading the prompt is not timed.
  ///
  /// - Parameter progress: Told the repetitions done, warm-up included.
  /// - Returns: New tokens of all sequences a second.
  /// - Throws: `ConfigurationError` for an impossible shape.
  public func decode(progress: (Int) -> Void = { _ in }) throws -> BenchmarkReport {
    let model = try shape.model(seed: seed)
    let prompts = shape.tokens(shape.prompt, seed: seed)
    let rates = try measure(progress) {
      let session = DecodingSession(model, sequences: shape.batch, capacity: shape.prompt + shape.new)
      var logits = session.append(prompts)
      let begun = Clock.monotonic()
      for _ in 0..<shape.new {
        let rows = logits.elements
        let next = (0..<shape.batch).map { row in
          var greedy = Sampling()
          return [greedy.next(Array(rows[row * shape.vocabulary..<(row + 1) * shape.vocabulary]))]
        }
        logits = session.append(next)
      }
      return Double(shape.batch * shape.new) / (Clock.monotonic() - begun)
    }
    return BenchmarkReport("decode", shape, model, rates: rates)
  }

  /// What profiling costs over the passes that it makes: both in turns, so that the machine's moods hit both.
  ///
  /// A repetition is four batches; output similarity is left out, and so is the output projection, which profiling
  /// needs not.
  ///
  /// - Parameter progress: Told the repetitions done, warm-up included.
  /// - Returns: Tokens a second of both, and the cost.
  /// - Throws: `ConfigurationError` for an impossible shape, `ProfilingError` when a logit is not finite.
  public func profile(progress: (Int) -> Void = { _ in }) throws -> ProfilingCost {
    let model = try shape.model(seed: seed)
    let batches = (0..<4).map { shape.tokens(shape.sequence, seed: seed &+ $0) }
    let documents = batches.flatMap { $0 }.enumerated().map { (id: $0.offset, tokens: $0.element) }
    let tokens = Double(documents.count * shape.sequence)
    let profiler = ModelProfiler(model, batchTokens: shape.batch * shape.sequence)
    var (plain, processor): ([Double], [Double]) = ([], [])
    let rates = try measure(progress) {
      let (begun, busy) = (Clock.monotonic(), Clock.processor())
      for batch in batches { _ = model(TokenBatch(sequences: batch)) }
      let (between, busyBetween) = (Clock.monotonic(), Clock.processor())
      _ = try profiler.profile(documents, data: "random")
      let (ended, busyEnd) = (Clock.monotonic(), Clock.processor())
      plain.append(tokens / (between - begun))
      processor.append((busyEnd - busyBetween) / (busyBetween - busy) - 1)
      return tokens / (ended - between)
    }
    plain.removeFirst(warmup)
    processor.removeFirst(warmup)
    return ProfilingCost(
      plain: BenchmarkReport("forward", shape, model, rates: plain),
      profiled: BenchmarkReport("profile", shape, model, rates: rates),
      overhead: BenchmarkReport.Rates(zip(plain, rates).map { $0 / $1 - 1 }),
      processorOverhead: BenchmarkReport.Rates(processor))
  }

  private func measure(_ progress: (Int) -> Void, _ step: () throws -> Double) throws -> [Double] {
    var rates: [Double] = []
    for number in 0..<warmup + steps {
      let rate = try step()
      if number >= warmup { rates.append(rate) }
      progress(number + 1)
    }
    return rates
  }
}
