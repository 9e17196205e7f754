import ArgumentParser

/// The command line: one file per subcommand; parse, call, print.
@main
struct Occult: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "occult",
    abstract: "Collaboration-pruning fine-tuning of Mixture-of-Experts language models.",
    version: Program.version, subcommands: [])
}

/// Name and version of this program, as files record them.
enum Program {
  static let version = "0.1.0"
  static let name = "occult 0.1.0"
}
