internal import Host
import ArgumentParser
import ExpertParallel
import Formats
import Foundation
import Tensors
import Text

/// The command line: one file per subcommand; parse, call, print.
@main
struct Occult: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "occult",
    abstract: "Collaboration-pruning fine-tuning of Mixture-of-Experts language models.",
    version: Program.version,
    subcommands: [
      StudyCommand.self, Finetune.self, Evaluate.self, Compare.self, Profile.self, Analyze.self, Place.self,
      PlanCommand.self, Convert.self, Inspect.self, DataCommand.self, Tokenize.self, Trace.self,
      Generate.self, Recipes.self, Doctor.self, Bench.self,
    ])

  /// Errors of the libraries are complete sentences: they are printed as they are, without a prefix.
  static func main() async {
    StandardOutput.checkAtExit()
    Self.prepareEndings()
    // Of several ranks the first one speaks.
    Notices.hand { if MPICommunicator.isFirst { logger.warning("\($0)") } }
    do {
      try checkCommand(Array(CommandLine.arguments.dropFirst()))
      var command = try parseAsRoot()
      Activity.note("'occult \(type(of: command).configuration.commandName ?? "\(type(of: command))".lowercased())'")
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      guard exitCode(for: error) != .success, !(error is ExitCode) else { exit(withError: error) }
      // Of mistakes in the arguments the parser has more to say than their own words.
      note(exitCode(for: error) == .failure ? words(error) : fullMessage(for: error))
      exit(withError: exitCode(for: error))
    }
  }

  /// Says which command was probably meant where a word names none; the parser would take it for a stray argument.
  private static func checkCommand(_ words: [String]) throws {
    var command: any ParsableCommand.Type = Occult.self
    for word in words.first == "help" ? words.dropFirst() : words[...] {
      let names = command.configuration.subcommands.map { ($0._commandName, $0) }
      if names.isEmpty || word.hasPrefix("-") { return }
      guard let next = names.first(where: { $0.0 == word })?.1 else {
        let known = names.map(\.0) + (command == Occult.self ? ["help"] : [])
        let hint = Spelling.nearest(to: word, in: known).map { "did you mean '\($0)'?" }
        throw ValidationError(
          "\(command._commandName): expected a command, found '\(word)'; "
            + (hint ?? "try one of \(known.joined(separator: ", "))"))
      }
      command = next
    }
  }

  /// Before anything else: what ends this process from outside removes temporary files and says why.
  private static func prepareEndings() {
    OutOfMemory.install()
    StopSignal.install()
    // A write beyond 'ulimit -f' fails, and the writer says so, instead of ending the process without a word.
    signal(SIGXFSZ, SIG_IGN)
  }
}

/// Name and version of this program, as files record them.
enum Program {
  static let version = "0.1.0"
  static let name = "occult 0.1.0"
}
