import ArgumentParser
import Checkpoint
import Foundation
import Models
import Text
import Training

/// `occult generate`.
struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Continue a text, to look at a model.",
    discussion: """
      The prompt and its continuation go to standard output as tokens come. At temperature 0 the likeliest token is \
      taken, above it tokens are drawn with the seed.

      Example:
        occult generate checkpoints/base.h5 --prompt "The old man sat by the fire and" --max-new 32
      """)

  @OptionGroup var options: ModelOptions

  @Option(help: "The text to continue.")
  var prompt: String

  @Option(help: "Most tokens to add.")
  var maxNew = 64

  @Option(help: "0 for the likeliest token; higher is more random.")
  var temperature = 0.0

  @Option(help: "Seed of the draws.")
  var seed: UInt64 = 0

  @Flag(help: "Print token ids, the prompt's in the first line and the new ones in the second.")
  var ids = false

  func validate() throws {
    if maxNew < 1 { throw ValidationError("--max-new: expected at least 1, found \(maxNew)") }
    if !(temperature >= 0 && temperature.isFinite) {
      throw ValidationError("--temperature: expected 0 or more, found \(temperature)")
    }
  }

  func run() throws {
    let files = try ModelFiles(opening: options.model)
    let (tokenizer, _) = try TrainingData.tokenizer(of: files)
    let generator = Generator(
      try files.model(overriding: options.routing.overrides).model,
      sampling: Sampling(temperature: temperature, seed: seed))
    let tokens = tokenizer.prefix + tokenizer.encode(prompt)
    if ids {
      let new = try generator.continuation(of: tokens, maxNew: maxNew)
      for line in [tokens, new] { print(line.map(String.init).joined(separator: " ")) }
      return
    }
    FileHandle.standardOutput.write(Data(prompt.utf8))
    // Bytes as they come: a character may be spread over several tokens.
    _ = try generator.continuation(of: tokens, maxNew: maxNew) { token in
      FileHandle.standardOutput.write(Data(tokenizer.bytes(of: token)))
    }
    print()
  }
}
