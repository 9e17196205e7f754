public import ArgumentParser
import Checkpoint
import Foundation
import Text
public import Training

/// `occult data`.
struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Look at the data of a recipe.", subcommands: [Show.self])
}

extension DataCommand {
  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print decoded samples with their loss mask.",
      discussion: """
        Learned tokens are bold and green on a terminal, in ⟦ ⟧ elsewhere. What was read, truncated and dropped goes \
        before the samples.

        Examples:
          occult data show recipes/quickstart.yaml --n 3
          occult data show recipes/quickstart.yaml data.loss_on=all --part test --seed 7
        """)

    @OptionGroup var options: RecipeOptions
    @Option(help: "Samples to print. (default: 3)", transform: count) var n = 3
    @Option(help: "\(TrainingData.Part.allCases.map(\.rawValue).joined(separator: ", ")).")
    var part = TrainingData.Part.train
    @Option(help: "Choose samples by chance under this seed (default: the first).") var seed: UInt64?

    func validate() throws {
      if n < 1 { throw ValidationError("--n: expected a positive number, found \(n)") }
    }

    func run() throws {
      let recipe = try options.load()
      let (tokenizer, end) = try TrainingData.tokenizer(of: try ModelFiles(opening: recipe.model))
      let data = try TrainingData(recipe, tokenizer: tokenizer, endOfSequence: end, parts: part.needed)
      tell(data.notes)
      for (part, report) in data.reports { print("\(part): \(report)") }
      let renderer = DocumentRenderer(tokenizer: tokenizer, style: isColoured ? .ansi : .brackets)
      let documents = data.documents(n, of: part, seed: seed)
      if documents.isEmpty { logger.warning("data.\(part.rawValue): the recipe names no such data") }
      for document in documents { print("\n" + renderer.render(document)) }
    }
  }
}

extension TrainingData.Part: ExpressibleByArgument {}
