import ArgumentParser
import Checkpoint
import Evaluation
import Formats

/// `occult trace`.
struct Trace: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write every intermediate value of one pass, for parity checks.",
    discussion: """
      The file of tokens holds one sequence of ids a line, all of one length; labels have the same shape, with -100 where \
      none counts, and default to the tokens: position t predicts label t + 1. The output is float32 HDF5.

      Example:
        occult trace checkpoints/base.h5 --tokens ids.txt --gradients --output trace.h5
      """)

  @OptionGroup var options: ModelOptions

  @Option(help: "Sequences of token ids, one a line.", completion: .file())
  var tokens: String

  @Option(help: "Labels of the same shape (default: the tokens).", completion: .file())
  var labels: String?

  @Option(help: "The HDF5 file to write; it is replaced if it exists.", completion: .file())
  var output: String

  @Flag(help: "Write the gradients of all parameters.")
  var gradients = false

  func run() throws {
    let files = try ModelFiles(opening: options.model)
    let ids = 0..<Int32(files.configuration.vocabulary)
    let tokens = try TokenLines(path: tokens, in: ids)
    let labels = try labels.map { try TokenLines(path: $0, in: ids, ignored: ModelTrace.ignored) }
    let trace = try ModelTrace(
      try files.model(overriding: options.routing.overrides).model, tokens: tokens, labels: labels)
    let (loss, auxiliary) = try trace.write(to: output, gradients: gradients, program: Program.name) {
      note("trace: \($0)")
    }
    print(
      "\(output): \(tokens.sequences.count) × \(counted(tokens.length, "token")), loss \(loss), aux_loss \(auxiliary)")
  }
}
