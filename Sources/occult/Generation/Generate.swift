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
      with the seed. --chat reads messages from standard input, a line each; /reset begins a new chat, /quit ends. \
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
    help:
      "Words around the messages of a chat: \(PromptTemplate.allCases.map(\.rawValue).joined(separator: ", ")) (default: those that the run was trained with; else alpaca)."
  )
  var template: PromptTemplate?

  @Option(help: "System message of a chat.")
  var system: String?

  @Option(help: "Most tokens to add, or of a response. (default: 64)", transform: count)
  var maxNew = 64

  @OptionGroup var sampling: SamplingOptions

  @Option(
    name: .customLong("stop"), help: "Stop before this text; may be repeated. \\n, \\t and \\\\ stand for themselves.")
  var stops: [String] = []

  @Flag(help: "Show which devices every token visits.")
  var showRouting = false

  @Flag(help: "Print token ids, the prompt's in the first line and the new ones in the second.")
  var ids = false

  func validate() throws {
    if maxNew < 1 { throw ValidationError("--max-new: expected at least 1, found \(maxNew)") }
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
    let begin = {
      GeneratedText(
        Generator(model, sampling: sampling.sampling), tokenizer: tokenizer, stops: stops.map(Self.unescaped),
        trail: showRouting ? routing.map { DeviceTrail($0.placement) } : nil)
    }
    tell(tokenizer.notes)
    if chat {
      let template = try self.template(tokenizer)
      let prompt = try ChatPrompt(template, tokenizer: tokenizer, endOfSequence: end)
      return try Chat(begin: begin, prompt: prompt, system: system, maxNew: maxNew).run()
    }
    var text = begin()
    let prompt = prompt ?? ""
    let tokens = tokenizer.prefix + tokenizer.encode(prompt)
    if ids {
      let new = try text.add(tokens, maxNew: maxNew) { _ in }
      for line in [tokens, new] { print(line.map(String.init).joined(separator: " ")) }
      return
    }
    // The prompt goes with the first that follows it: what cannot be continued is not shown.
    var (output, prefix) = (Verbatim(), showRouting ? [] : Array(prompt.utf8))
    do {
      _ = try text.add(tokens, maxNew: maxNew) {
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

/// How tokens are chosen.
struct SamplingOptions: ParsableArguments {
  @Option(help: "0 for the likeliest token; higher is more random. (default: 0.0)", transform: number)
  var temperature = 0.0

  @Option(help: "Draw from so many likeliest tokens; all if left out.", transform: count)
  var topK: Int?

  @Option(help: "Draw from the likeliest tokens that make up this share. (default: 1.0)", transform: number)
  var topP = 1.0

  @Option(
    help: "Logits of tokens that occurred are divided by it, or multiplied where negative; 1 for none. (default: 1.0)",
    transform: number)
  var repetitionPenalty = 1.0

  @Option(help: "Seed of the draws.")
  var seed: UInt64 = 0

  func validate() throws {
    if !(temperature >= 0 && temperature.isFinite) {
      throw ValidationError("--temperature: expected 0 or more, found \(temperature)")
    }
    if let topK, topK < 1 { throw ValidationError("--top-k: expected at least 1, found \(topK)") }
    if !(topP > 0 && topP <= 1) { throw ValidationError("--top-p: expected above 0 and at most 1, found \(topP)") }
    if !(repetitionPenalty > 0 && repetitionPenalty.isFinite) {
      throw ValidationError("--repetition-penalty: expected above 0, found \(repetitionPenalty)")
    }
    if temperature == 0, topK != nil || topP < 1 {
      throw ValidationError("--top-k, --top-p: expected a temperature to draw at, found 0; try --temperature 0.8")
    }
  }

  var sampling: Sampling {
    Sampling(temperature: temperature, topK: topK, topP: topP, repetitionPenalty: repetitionPenalty, seed: seed)
  }
}
