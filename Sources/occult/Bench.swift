internal import Files
import ArgumentParser
import Checkpoint
import Benchmarks
import Evaluation
import Formats
import Training

/// `occult bench`.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Measure training, prefill, decoding and profiling of a random model, and placement and routing by themselves.",
    discussion: """
      Examples:
        occult bench train --layers 6 --hidden 256 --experts 16 --steps 10
        occult bench decode --batch 8 --prompt 64 --new 64 --json
      """,
    subcommands: [
      Train.self, Prefill.self, Decode.self, ProfileTimes.self, KernelTimes.self, RoutingTimes.self,
      PlacementTimes.self, CommunicationTimes.self,
    ])

  /// Full training steps.
  struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Training steps: forward with the balance loss, backward, AdamW over all parameters.",
      discussion: "Example:\n  occult bench train --batch 4 --sequence 256 --steps 10 --json")

    @OptionGroup var model: ShapeOptions
    @OptionGroup var sequences: SequenceOptions
    @OptionGroup var repetitions: RepetitionOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
      try show("train", repetitions, output) {
        try repetitions.benchmark(sequences.shape(model.shape)).train(progress: $0)
      }
    }
  }

  /// Whole sequences.
  struct Prefill: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Whole sequences, with logits at every position.",
      discussion: "Example:\n  occult bench prefill --batch 4 --sequence 256 --steps 10 --json")

    @OptionGroup var model: ShapeOptions
    @OptionGroup var sequences: SequenceOptions
    @OptionGroup var repetitions: RepetitionOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
      try show("prefill", repetitions, output) {
        try repetitions.benchmark(sequences.shape(model.shape)).prefill(progress: $0)
      }
    }
  }

  /// Token by token.
  struct Decode: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Greedy decoding with keys and values kept; reading the prompt is not timed.",
      discussion: "Example:\n  occult bench decode --batch 1 --prompt 64 --new 64 --steps 5 --json")

    @OptionGroup var model: ShapeOptions

    @Option(help: "Sequences at a time. (default: 1)", transform: count)
    var batch = 1

    @Option(help: "Tokens of the prompt. (default: 64)", transform: count)
    var prompt = 64

    @Option(help: "Tokens that are added. (default: 64)", transform: count)
    var new = 64

    @OptionGroup var repetitions: RepetitionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws { try expectPositive([("--batch", batch), ("--prompt", prompt), ("--new", new)]) }

    func run() throws {
      var shape = model.shape
      (shape.batch, shape.prompt, shape.new, shape.sequence) = (batch, prompt, new, 1)
      try show("decode", repetitions, output) { [shape] in try repetitions.benchmark(shape).decode(progress: $0) }
    }
  }

  /// Passes whose routing is counted.
  struct ProfileTimes: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "profile", abstract: "What counting collaboration adds to the passes of 'occult profile'.",
      discussion: "Example:\n  occult bench profile --experts 64 --top-k 8 --intermediate 32 --steps 10 --json")

    @OptionGroup var model: ShapeOptions
    @OptionGroup var sequences: SequenceOptions
    @OptionGroup var repetitions: RepetitionOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
      let line = ProgressLine(
        label: "profile", total: repetitions.steps + repetitions.warmup, unit: "repetitions")
      let cost = try repetitions.benchmark(sequences.shape(model.shape)).profile { line.update($0) }
      line.finish()
      if output.json { return try OutputOptions.print(cost) }
      let overhead = [cost.overhead.median, cost.overhead.min, cost.overhead.max].map { fixed($0 * 100, 1) }
      print(
        "profile: \(fixed(cost.profiled.tokensPerSecond.median, 0)) tokens/s, passes alone "
          + "\(fixed(cost.plain.tokensPerSecond.median, 0)); counting adds \(overhead[0]) % (\(overhead[1]) to \(overhead[2])), "
          + "\(fixed(cost.processorOverhead.median * 100, 1)) % of processor time")
    }
  }

  /// Single operations.
  struct KernelTimes: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "kernels", abstract: "The largest operations of a forward pass, one by one.",
      discussion: "Example:\n  occult bench kernels --hidden 512 --experts 32 --steps 20")

    @OptionGroup var model: ShapeOptions
    @OptionGroup var sequences: SequenceOptions
    @OptionGroup var repetitions: RepetitionOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
      let rows = try KernelBenchmark(sequences.shape(model.shape), steps: repetitions.steps).run()
      if output.json { return try OutputOptions.print(rows) }
      let cells = rows.map { [$0.name, $0.shape, fixed($0.milliseconds), fixed($0.rate, 1), $0.unit] }
      print(TextTable(heads: ["operation", "shape", ">ms", ">rate", "unit"], rows: cells).text)
    }
  }
}

/// Sizes of the random model.
struct ShapeOptions: ParsableArguments {
  @Option(help: "Number of blocks. (default: 6)", transform: count) var layers = 6
  @Option(help: "Width of the hidden states. (default: 256)", transform: count) var hidden = 256
  @Option(help: "Number of attention heads. (default: 8)", transform: count) var heads = 8
  @Option(help: "Experts in a layer. (default: 16)", transform: count) var experts = 16
  @Option(help: "Width of one expert. (default: 128)", transform: count) var intermediate = 128
  @Option(help: "Experts a token. (default: 4)", transform: count) var topK = 4
  @Option(help: "Size of the vocabulary. (default: 4096)", transform: count) var vocabulary = 4096

  func validate() throws {
    try expectPositive([
      ("--layers", layers), ("--hidden", hidden), ("--heads", heads), ("--experts", experts),
      ("--intermediate", intermediate), ("--top-k", topK), ("--vocabulary", vocabulary),
    ])
    if hidden % (2 * heads) != 0 {
      throw ValidationError("--hidden: expected an even multiple of \(counted(heads, "head")), found \(hidden)")
    }
    if topK > experts {
      throw ValidationError("--top-k: expected at most \(counted(experts, "expert")), found \(topK)")
    }
  }

  var shape: BenchmarkShape {
    var shape = BenchmarkShape()
    (shape.layers, shape.hidden, shape.heads, shape.experts) = (layers, hidden, heads, experts)
    (shape.intermediate, shape.topK, shape.vocabulary) = (intermediate, topK, vocabulary)
    return shape
  }
}

/// Whole sequences.
struct SequenceOptions: ParsableArguments {
  @Option(help: "Sequences at a time. (default: 4)", transform: count) var batch = 4
  @Option(help: "Tokens of a sequence. (default: 256)", transform: count) var sequence = 256

  func validate() throws {
    try expectPositive([("--batch", batch)])
    if sequence < 2 { throw ValidationError("--sequence: expected at least 2, found \(sequence)") }
  }

  func shape(_ model: BenchmarkShape) -> BenchmarkShape {
    var shape = model
    (shape.batch, shape.sequence, shape.prompt, shape.new) = (batch, sequence, 1, 1)
    return shape
  }
}

/// How often.
struct RepetitionOptions: ParsableArguments {
  @Option(help: "Timed repetitions. (default: 10)", transform: count) var steps = 10
  @Option(help: "Repetitions before them. (default: 2)", transform: count) var warmup = 2
  @Option(help: "Seed of weights and tokens.") var seed: UInt64 = 0

  func validate() throws {
    try expectPositive([("--steps", steps)])
    if warmup < 0 { throw ValidationError("--warmup: expected at least 0, found \(warmup)") }
  }

  func benchmark(_ shape: BenchmarkShape) -> Benchmark {
    Benchmark(shape, steps: steps, warmup: warmup, seed: seed)
  }
}

func expectPositive(_ values: [(String, Int)]) throws {
  for (name, value) in values where value < 1 {
    throw ValidationError("\(name): expected at least 1, found \(value)")
  }
}

private func show(
  _ mode: String, _ repetitions: RepetitionOptions, _ output: OutputOptions,
  _ run: ((Int) -> Void) throws -> BenchmarkReport
) throws {
  let line = ProgressLine(label: mode, total: repetitions.steps + repetitions.warmup, unit: "repetitions")
  let report = try run { line.update($0) }
  line.finish()
  if output.json { return try OutputOptions.print(report) }
  let rates = report.tokensPerSecond
  print(
    "\(mode): \(fixed(rates.median, 0)) tokens/s (\(fixed(rates.min, 0)) to \(fixed(rates.max, 0))), "
      + "\(ByteSize.words(report.peakBytes)) at most, \(counted(report.parameters, "parameter")), \(counted(report.threads, "thread")), "
      + "OpenBLAS \(report.blasCore), kernels \(report.kernels)")
}
