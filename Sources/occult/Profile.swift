internal import Profiles
import ArgumentParser
import Checkpoint
internal import Routing
import Formats
import Models
import Text
import Training

/// `occult profile`.
struct Profile: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Count which experts work together, from a model on text or from recorded routing.",
    discussion: """
      Use training text, never the text that is evaluated on. Recorded routing is JSONL with layer, topk_ids and \
      topk_weights in each line, routed_experts arrays [tokens, layers, k] of vLLM or SGLang (.npy), or profiles; several \
      files are several documents of one model. --loads takes counts of experts without sets.

      Examples:
        occult profile checkpoints/base.h5 --text recipes/data/base-profile.txt --output profile.h5
        occult profile --routing routing.jsonl --experts 64 --output profile.h5
        occult profile --routing request-*.npy --experts 128 --output profile.h5
        occult profile --loads counts.json --layers 0,7,15 --top-k 8 --output loads.h5
      """)

  @Argument(help: "A checkpoint (.h5) or a Hugging Face folder.", completion: .file())
  var model: String?

  @OptionGroup var routingOptions: RoutingOptions

  @Option(parsing: .upToNextOption, help: "Text files or patterns to run the model on.", completion: .file())
  var text: [String] = []

  @Option(
    parsing: .upToNextOption, help: "Recorded routing (.jsonl, .npy or profiles), instead of a model.",
    completion: .file())
  var routing: [String] = []

  @Option(help: "Counts or shares of experts (.json or .npy), instead of a model: a profile without sets.")
  var loads: String?

  @Option(help: "Number of experts, where recorded routing does not say.", transform: count)
  var experts: Int?

  @Option(
    help: "Number of the first layer of .npy arrays, where dense layers below it are left out of them. (default: 0)",
    transform: count)
  var firstLayer = 0

  @Option(help: "Numbers of the layers of --loads, with commas (default: 0,1,2,…).")
  var layers: LayerNumbers?

  @Option(help: "Experts a token, with --loads.", transform: count)
  var topK: Int?

  @Option(help: "The profile to write (.h5); it is replaced if it exists.", completion: .file())
  var output: String

  @Option(help: "Stop after about so many tokens (default: all).", transform: count)
  var maxTokens: Int?

  @Option(help: "Longest piece of text, in tokens. (default: 256)", transform: count)
  var sequence = 256

  @Option(
    help: "Most tokens of a layer whose choices are recorded one by one; all are counted. (default: 100000)",
    transform: count)
  var recorded = 100_000

  @Option(
    help: "Tokens of a layer that all experts run on, to compare their outputs; 0 for none. (default: 512)",
    transform: count)
  var outputSimilarityTokens = 512

  func validate() throws {
    if recorded < 1 { throw ValidationError("--recorded: expected at least 1, found \(recorded)") }
    let sources = [model != nil, !routing.isEmpty, loads != nil].filter { $0 }.count
    if sources != 1 {
      throw ValidationError(
        "profile: expected either a model or --routing, found \(sources == 0 ? "neither" : "both")")
    }
    if model != nil, text.isEmpty { throw ValidationError("--text: expected at least one file, found none") }
    if model == nil, !text.isEmpty {
      throw ValidationError("--text: expected a model to run on it, found --\(loads == nil ? "routing" : "loads")")
    }
    if loads != nil, topK == nil { throw ValidationError("--top-k: expected experts a token with --loads, found none") }
    if loads == nil, topK != nil || layers != nil {
      throw ValidationError("--\(topK != nil ? "top-k" : "layers"): expected --loads, found none")
    }
    if let topK, topK < 1 { throw ValidationError("--top-k: expected at least 1, found \(topK)") }
    if firstLayer < 0 { throw ValidationError("--first-layer: expected at least 0, found \(firstLayer)") }
    if outputSimilarityTokens < 0 {
      throw ValidationError("--output-similarity-tokens: expected at least 0, found \(outputSimilarityTokens)")
    }
    if experts != nil, model != nil {
      throw ValidationError("--experts: expected recorded routing (--routing), found a model, which says so itself")
    }
    if let experts, !(1...2048).contains(experts) {
      throw ValidationError("--experts: expected 1...2048, found \(experts)")
    }
    if sequence < 2 { throw ValidationError("--sequence: expected at least 2, found \(sequence)") }
    if let maxTokens, maxTokens < 1 { throw ValidationError("--max-tokens: expected at least 1, found \(maxTokens)") }
  }

  func run() throws {
    let profile: CollaborationProfile
    if let loads {
      profile = try RecordedLoads.profile(path: loads, topK: topK ?? 1, experts: experts, layers: layers?.numbers)
    } else if !routing.isEmpty {
      let recording = try RecordedRouting(
        try routing.map { try RecordedSource(opening: $0) }, experts: experts, firstLayer: firstLayer,
        recordedLimit: recorded)
      for line in recording.warnings + recording.dropped.map(\.description) { note("warning: \(line)") }
      profile = recording.profile
    } else {
      profile = try profileModel()
    }
    try ProfileFile.write(profile, to: output, program: Program.name)
    print(
      "\(output): \(counted(profile.layers.count, "layer")), \(counted(profile.tokens, "token")), "
        + "\(profile.layers.map(\.recorded).max() ?? 0) recorded sets")
  }

  private func profileModel() throws -> CollaborationProfile {
    let files = try ModelFiles(opening: model ?? "")
    let (tokenizer, end) = try TrainingData.tokenizer(of: files)
    let dataset = try Dataset.load(
      [DataSource(paths: text, format: .text)],
      options: DatasetOptions(
        template: .plain, lossOn: .all, maxTokens: min(sequence, files.configuration.maxPositions), endOfSequence: end),
      tokenizer: tokenizer)
    for warning in dataset.report.sources.flatMap(\.warnings) { note("warning: \(warning)") }
    tell(tokenizer.notes + dataset.report.notes)
    let documents = dataset.documents(upTo: maxTokens)
    let tokens = documents.reduce(0) { $0 + $1.tokens.count }
    let line = ProgressLine(label: "profile", total: tokens, unit: "tokens")
    let profiler = ModelProfiler(
      try files.model(overriding: routingOptions.overrides).model, recordedLimit: recorded,
      outputSimilarityTokens: outputSimilarityTokens)
    let result = try profiler.run(documents.map { ($0.id, $0.tokens) }, data: text.joined(separator: ", ")) {
      line.update($0)
    }
    line.finish()
    if outputSimilarityTokens > 0 {
      note(
        "output similarity: \(fixed(result.outputSimilaritySeconds, 1)) s for \(min(outputSimilarityTokens, tokens)) "
          + "tokens of each layer, the rest \(fixed(result.seconds, 1)) s")
    }
    return result.profile
  }
}

/// Layers with commas between them.
struct LayerNumbers: ExpressibleByArgument {
  let numbers: [Int]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.allSatisfy({ $0 ?? -1 >= 0 }) else { return nil }
    numbers = parts.compactMap { $0 }
  }
}
