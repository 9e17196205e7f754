import ArgumentParser
import Checkpoint
import Collaboration
import Models
import Text
import Training

/// `occult profile`.
struct Profile: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Count which experts work together, from a model on text or from recorded routing.",
    discussion: """
      Use training text, never the text that is evaluated on. Recorded routing is JSONL with layer, topk_ids and \
      topk_weights in each line.

      Examples:
        occult profile checkpoints/base.h5 --text recipes/data/base-profile.txt --output profile.h5
        occult profile --routing routing.jsonl --experts 64 --output profile.h5
      """)

  @Argument(help: "A checkpoint (.h5) or a Hugging Face folder.", completion: .file())
  var model: String?

  @OptionGroup var routingOptions: RoutingOptions

  @Option(parsing: .upToNextOption, help: "Text files or patterns to run the model on.", completion: .file())
  var text: [String] = []

  @Option(help: "Recorded routing (JSONL), instead of a model.", completion: .file())
  var routing: String?

  @Option(help: "Number of experts, where recorded routing does not say.")
  var experts: Int?

  @Option(help: "The profile to write (.h5); it is replaced if it exists.", completion: .file())
  var output: String

  @Option(help: "Stop after about so many tokens (default: all).")
  var maxTokens: Int?

  @Option(help: "Longest piece of text, in tokens.")
  var sequence = 256

  @Option(help: "Most tokens of a layer whose choices are recorded one by one; all are counted.")
  var recorded = 100_000

  func validate() throws {
    if recorded < 1 { throw ValidationError("--recorded: expected at least 1, found \(recorded)") }
    if (model == nil) == (routing == nil) {
      throw ValidationError("profile: expected either a model or --routing, found \(model == nil ? "neither" : "both")")
    }
    if model != nil, text.isEmpty { throw ValidationError("--text: expected at least one file, found none") }
    if routing != nil, !text.isEmpty {
      throw ValidationError("--text: expected a model to run on it, found --routing")
    }
    if experts != nil, routing == nil {
      throw ValidationError("--experts: expected recorded routing (--routing), found a model, which says so itself")
    }
    if let experts, experts < 1 { throw ValidationError("--experts: expected at least 1, found \(experts)") }
    if sequence < 2 { throw ValidationError("--sequence: expected at least 2, found \(sequence)") }
    if let maxTokens, maxTokens < 1 { throw ValidationError("--max-tokens: expected at least 1, found \(maxTokens)") }
  }

  func run() throws {
    let profile: CollaborationProfile
    if let routing {
      let recording = try RecordedRouting(path: routing, experts: experts, recordedLimit: recorded)
      for line in recording.warnings + recording.dropped.map(\.description) { note("warning: \(line)") }
      profile = recording.profile
    } else {
      profile = try profileModel()
    }
    try ProfileFile.write(profile, to: output, program: Program.name)
    print(
      "\(output): \(profile.layers.count) layers, \(profile.tokens) tokens, "
        + "\(profile.layers.map(\.recorded).max() ?? 0) recorded sets")
  }

  private func profileModel() throws -> CollaborationProfile {
    let files = try ModelFiles(opening: model ?? "")
    let (tokenizer, end) = try TrainingData.tokenizer(of: files)
    let documents = try Dataset.load(
      [DataSource(paths: text, format: .text)],
      options: DatasetOptions(
        template: .plain, lossOn: .all, maxTokens: min(sequence, files.configuration.maxPositions), endOfSequence: end),
      tokenizer: tokenizer
    ).documents(upTo: maxTokens)
    let tokens = documents.reduce(0) { $0 + $1.tokens.count }
    let line = ProgressLine(label: "profile", total: tokens, unit: "tokens")
    let profiler = ModelProfiler(
      try files.model(overriding: routingOptions.overrides).model, recordedLimit: recorded)
    let profile = try profiler.profile(documents.map { ($0.id, $0.tokens) }, data: text.joined(separator: ", ")) {
      line.update($0)
    }
    line.finish()
    return profile
  }
}
