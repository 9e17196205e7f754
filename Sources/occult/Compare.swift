internal import Files
import ArgumentParser
import Checkpoint
import Evaluation
import Foundation

/// `occult compare`.
struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare evaluations question by question: differences with intervals, verdicts, flips, report.",
    discussion: """
      An arm is the output folder of `occult evaluate` or of lm-evaluation-harness (--log_samples), with a name in front
      if you like; several seeds of one arm are folders with commas between them, in the same order for every arm.

      Examples:
        occult compare results/standard results/L2 --output runs/compared
        occult compare base=results/base standard=results/s1,results/s2 L2=results/l1,results/l2 \\
          --base base --standard standard --output runs/compared
      """)

  @Argument(help: "Arms: [NAME=]FOLDER[,FOLDER …]; the name is the folder's if left out.", completion: .directory)
  var arms: [String]

  @Option(help: "The arm that the others are compared with: standard fine-tuning; the first but the base if left out.")
  var standard: String?

  @Option(help: "The arm that was not fine-tuned: statements of non-inferiority need it, or a fixed --margin.")
  var base: String?

  @Option(
    help: "How much worse is acceptable: a share of the gain, as 10%, or a difference, as 0.01 (of questions, or nats)."
  )
  var margin: MarginArgument?

  @Option(help: "Bootstrap draws. (default: 2000)", transform: count)
  var draws = 2000

  @Option(help: "Seed of the draws.")
  var seed: UInt64 = 1

  @Option(
    help: "Folder that comparison.json, comparison.md, comparison.csv and report.html are written to.",
    completion: .directory)
  var output: String

  @Flag(help: "Replace an earlier comparison in the output folder.")
  var overwrite = false

  @OptionGroup var outputOptions: OutputOptions

  func validate() throws {
    try expectPositive([("--draws", draws)])
    if case .share? = margin?.value, base == nil {
      throw ValidationError("--margin: expected --base with a share of the gain, found none; try --base NAME")
    }
  }

  func run() throws {
    let names = ["comparison.json", "comparison.md", "comparison.csv", "report.html"]
    let folder = OutputFolder(output, kind: .comparison, layout: FolderLayout(names))
    let files = names.map { output + "/" + $0 }
    for file in files { try checkFree(file, overwrite: overwrite) }
    if overwrite { try folder.check(.overwrite) }
    let arms = try arms.map(Self.arm)
    let comparison = try QualityComparison(
      arms, reference: standard ?? arms.first { $0.name != base }?.name ?? "", base: base,
      margin: margin?.value ?? .standard, bootstrap: Bootstrap(draws: draws, seed: seed))
    for note in comparison.notes { logger.warning("\(note)") }
    let table = QualityTable(comparison)
    let json = String(decoding: try comparison.json(), as: UTF8.self)
    let lock =
      overwrite
      ? try folder.claim(.overwrite, purpose: "a comparison", program: Program.name).lock
      : try folder.join(purpose: "a comparison", program: Program.name)
    defer { withExtendedLifetime(lock) {} }
    if !overwrite { for file in files { try checkFree(file, overwrite: false) } }
    let texts = [json, table.markdown, table.csv, QualityReport(comparison, version: Program.version).html]
    // comparison.json last: with it, all are there.
    for (file, text) in zip(files, texts).reversed() { try TextFile.write(text, to: file) }
    if outputOptions.json {
      OutputOptions.print(json: json)
    } else {
      print(table.plain)
      print("\(comparison.headline)\n")
      for sentence in comparison.verdict { print(wrapped(sentence, at: 120)) }
      print("\n" + files.joined(separator: "\n"))
    }
  }

  /// Reads an arm: `NAME=FOLDER,FOLDER`, or a folder that gives its own name.
  private static func arm(_ text: String) throws -> ComparedArm {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let folders = (parts.last ?? "").split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    guard !folders.contains(""), parts.count < 2 || !parts[0].isEmpty else {
      throw PairingError.arm(place: "'\(text)'", expected: "an arm", found: "an empty name")
    }
    let name = parts.count == 2 ? String(parts[0]) : URL(fileURLWithPath: folders[0]).lastPathComponent
    return ComparedArm(name: name, runs: try folders.map { try EvaluationRun($0) })
  }
}

/// `10%`, or `0.01`.
struct MarginArgument: ExpressibleByArgument {
  let value: Margin

  init?(argument: String) {
    let isShare = argument.hasSuffix("%")
    guard let number = Double(isShare ? String(argument.dropLast()) : argument), number > 0, number < .infinity else {
      return nil
    }
    value = isShare ? .share(number / 100) : .absolute(number)
  }
}
