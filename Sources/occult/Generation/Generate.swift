public import ArgumentParser
import Checkpoint
import Foundation
import Models
public import Text
import Training

/// `occult generate`.
struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Continue a text or chat, to look at a model.",
    discussion: """
      Text goes to standard output as it comes. At temperature 0 the likeliest token is taken, above it tokens are drawn \
      with the seed. What is left out is as the model's generation_config.json says, with a line that tells it. --chat \
      reads messages from standard input, a line each; /reset begins a new chat, /quit ends. \
      --show-routing shows on which devices the experts of every token lie: the text in the colour of the device with the \
      largest share of its weights, or a table where there is no terminal.

      Examples:
        occult generate checkpoints/base.h5 --prompt "The old man sat by the fire and" --max-new 32
        occult generate runs/mine/final.h5 --chat --template chatml --temperature 0.7 --top-p 0.9
        occult generate runs/mine/final.h5 --prompt "Water boils at" --show-routing
      """)

  @OptionGroup var options: ModelOptions

  @Option(help: "The text to continue.")
  var prompt: String?

  @Flag(help: "Chat: messages from standard input.")
  var chat = false

  @Option(
    help: """
      Words around the messages of a chat: \(PromptTemplate.allCases.map(\.rawValue).joined(separator: ", ")) (default: \
      those that the run was trained with; else alpaca).
      """)
  var template: PromptTemplate?

  @Option(help: "System message of a chat.")
  var system: String?

  @Option(help: "Most tokens to add, or of a response. (default: generation_config.json's, else 64)", transform: count)
  var maxNew: Int?

  @OptionGroup var sampling: SamplingOptions

  @Option(
    name: .customLong("stop"), help: "Stop before this text; may be repeated. \\n, \\t and \\\\ stand for themselves.")
  var stops: [String] = []

  @Flag(help: "Show which devices every token visits.")
  var showRouting = false

  @Flag(help: "Print token ids, the prompt's in the first line and the new ones in the second.")
  var ids = false

  func validate() throws {
    if let maxNew, maxNew < 1 { throw ValidationError("--max-new: expected at least 1, found \(maxNew)") }
    if chat, prompt != nil || ids {
      throw ValidationError(
        "--chat: expected messages from standard input, found --\(ids ? "ids" : "prompt"); try one of both")
    }
    if !chat, prompt == nil { throw ValidationError("generate: expected --prompt or --chat, found neither") }
    if !chat, system != nil { throw ValidationError("--system: expected a chat, found none; try --chat") }
    if stops.contains("") { throw ValidationError("--stop: expected a text, found an empty one") }
  }

  func run() throws {
    let files = try ModelFiles(opening: options.model)
    let (tokenizer, end) = try TrainingData.tokenizer(of: files)
    let (model, routing) = try files.model(overriding: options.routing.overrides)
    if showRouting, routing == nil {
      throw ValidationError("--show-routing: expected a placement, found none in \(options.model); try --devices 4")
    }
    let settings = files.configuration.generation
    let drawing = try sampling.resolved(settings)
    let maxNew = maxNew ?? settings.maxNewTokens ?? 64
    let shortens = self.maxNew == nil
    if let line = sampling.line(settings, maxNew: self.maxNew) { note(line) }
    let begin = {
      GeneratedText(
        Generator(model, sampling: drawing), tokenizer: tokenizer,
        stops: stops.map(Self.unescaped) + settings.stopStrings,
        trail: showRouting ? routing.map { DeviceTrail($0.placement) } : nil)
    }
    tell(tokenizer.notes)
    if chat {
      let template = try self.template(tokenizer)
      let prompt = try ChatPrompt(template, tokenizer: tokenizer, endOfSequence: end)
      return try Chat(begin: begin, prompt: prompt, system: system, maxNew: maxNew, shortens: shortens).run()
    }
    var text = begin()
    let prompt = prompt ?? ""
    let tokens = tokenizer.prefix + tokenizer.encode(prompt)
    if ids {
      let new = try text.add(tokens, maxNew: maxNew, shortens: shortens) { _ in }
      for line in [tokens, new] { print(line.map(String.init).joined(separator: " ")) }
      return
    }
    // The prompt goes with the first that follows it: what cannot be continued is not shown.
    var (output, prefix) = (Verbatim(), showRouting ? [] : Array(prompt.utf8))
    do {
      _ = try text.add(tokens, maxNew: maxNew, shortens: shortens) {
        if !showRouting { write(output.add(prefix + $0)) }
        prefix = []
      }
    } catch {
      if !showRouting, prefix.isEmpty, !prompt.isEmpty { write(output.finish() + Array("\n".utf8)) }
      throw error
    }
    // The view of the routing has colours of its own, and its text was made harmless.
    write(output.finish() + Array((text.routing ?? "").utf8) + Array("\n".utf8))
  }

  /// The words around messages, and says where they come from: asked for, trained with, or neither.
  private func template(_ tokenizer: Tokenizer) throws -> PromptTemplate {
    let (chosen, origin) = try template.map { ($0, "--template") } ?? trained()
    tell([tokenizer.note(on: chosen, setBy: origin) ?? "template '\(chosen.rawValue)' (\(origin))"])
    return chosen
  }

  /// The template in the recipe that a checkpoint carries; without one the default.
  private func trained() throws -> (PromptTemplate, String) {
    guard ModelFiles.isHDF5(options.model), let text = try ModelFiles.recipe(of: options.model) else {
      return (.alpaca, "the default; the model does not say what it was trained with, --template does")
    }
    // Its data may be elsewhere by now.
    guard let recipe = try? Recipe.parse(text, file: options.model + " recipe_yaml", checksFiles: false) else {
      return (.alpaca, "the default; the recipe in the checkpoint is not one of this version, --template sets another")
    }
    return (recipe.data.template, "as the run was trained")
  }

  /// `\n`, `\t` and `\\` as shells pass them.
  private static func unescaped(_ text: String) -> String {
    var (result, rest) = ("", text[...])
    while let character = rest.popFirst() {
      guard character == "\\", let next = rest.popFirst() else {
        result.append(character)
        continue
      }
      switch next {
      case "n": result += "\n"
      case "t": result += "\t"
      case "\\": result += "\\"
      default: result += "\\" + String(next)
      }
    }
    return result
  }
}

extension PromptTemplate: ExpressibleByArgument {}
