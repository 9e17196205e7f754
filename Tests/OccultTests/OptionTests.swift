import Foundation
import Testing

/// Every option of every command, found by asking the program for them, so that a later one is covered.
@Suite(.serialized) struct OptionTests {
  /// An option that takes a value.
  struct Option {
    let name: String
    let takesFile: Bool
  }

  /// A command with its options and file arguments.
  struct Command {
    let words: [String]
    /// Of options and flags, `--` in front.
    let names: Set<String>
    let options: [Option]
    /// Numbers of positional arguments that are files.
    let files: [Int]
  }

  /// All commands that do something.
  static func commands() throws -> [Command] {
    struct Name: Decodable {
      let kind: String
      let name: String
    }
    struct Argument: Decodable {
      let kind: String
      let names: [Name]?
      let completionKind: [String: [String: [String]]]?
      let isOptional: Bool
    }
    struct Dumped: Decodable {
      let commandName: String
      let subcommands: [Dumped]?
      let arguments: [Argument]?
    }
    struct Whole: Decodable { let command: Dumped }
    let dump = try CommandLineTests.run(["--experimental-dump-help"]).out
    func walk(_ command: Dumped, _ words: [String]) -> [Command] {
      let children = (command.subcommands ?? []).filter { $0.commandName != "help" }
      if !children.isEmpty { return children.flatMap { walk($0, words + [$0.commandName]) } }
      let arguments = command.arguments ?? []
      let takesFile = { (argument: Argument) in argument.completionKind?["file"] != nil }
      return [
        Command(
          words: words,
          names: Set(arguments.flatMap { ($0.names ?? []).filter { $0.kind == "long" }.map { "--" + $0.name } }),
          options: arguments.filter { $0.kind == "option" }.compactMap { argument in
            (argument.names?.first { $0.kind == "long" }).map {
              Option(name: "--" + $0.name, takesFile: takesFile(argument))
            }
          },
          files: arguments.filter { $0.kind == "positional" }.enumerated().filter { takesFile($0.element) }.map(
            \.offset))
      ]
    }
    return walk(try JSONDecoder().decode(Whole.self, from: Data(dump.utf8)).command, [])
  }

  /// What each command needs to do something short; nothing for those that have no numbers or only measure.
  static func arguments(_ place: Workplace) throws -> [[String]: [String]] {
    let (base, recipe) = (place.path + "/base.h5", place.recipe)
    let text = place.path + "/text.txt"
    try "One plus one is two.\n\nTwo and two are four.\n".write(toFile: text, atomically: true, encoding: .utf8)
    let profile = place.path + "/profile.h5"
    let made = try CommandLineTests.run(["profile", base, "--text", text, "--output", profile, "--sequence", "16"])
    try #require(made.status == 0, "\(made.error)")
    try "1 2 3\n4 5 6\n".write(toFile: place.path + "/tokens.txt", atomically: true, encoding: .utf8)
    let topology = CommandLineTests.root + "/recipes/topologies/pcie.yaml"
    let recording = CommandLineTests.root + "/Tests/ProfilesTests/Oracles/recorded_routing.jsonl"
    let out = place.path + "/out"
    let shape = [
      "--layers", "1", "--hidden", "8", "--heads", "2", "--experts", "4", "--intermediate", "4", "--top-k", "2",
      "--vocabulary", "16", "--steps", "1", "--warmup", "0",
    ]
    return [
      ["study"]: [recipe], ["finetune"]: [recipe, "--dry-run"],
      ["evaluate"]: [base, "--text", text, "--block", "16", "--output", out + "-evaluation"],
      ["compare"]: [
        CommandLineTests.root + "/Tests/EvaluationTests/Fixtures/harness/base", "--output", out + "-comparison",
      ],
      ["profile"]: [base, "--text", text, "--output", out + ".h5", "--sequence", "16"],
      ["analyze"]: [profile, "--devices", "2", "--null-draws", "1", "--proposals", "10"],
      ["place"]: [profile, "--devices", "2", "--output", out + ".json", "--proposals", "10"],
      ["plan"]: [profile, "--topology", topology, "--hidden", "8", "--intermediate", "4", "--proposals", "10"],
      ["convert"]: [base, out + "-copy.h5"], ["inspect"]: [base],
      ["data", "show"]: [recipe],
      ["trace"]: [base, "--tokens", place.path + "/tokens.txt", "--output", out + "-trace.h5"],
      ["tokenize"]: [base, "One"],
      ["generate"]: [base, "--prompt", "One", "--max-new", "2"], ["recipes", "list"]: [], ["recipes", "show"]: [],
      ["recipes", "copy"]: [], ["recipes", "validate"]: [recipe], ["doctor"]: [],
      ["bench", "train"]: shape + ["--batch", "1", "--sequence", "4"],
      ["bench", "profile"]: shape + ["--batch", "1", "--sequence", "4"],
      ["bench", "prefill"]: shape + ["--batch", "1", "--sequence", "4"],
      ["bench", "decode"]: shape + ["--batch", "1", "--prompt", "2", "--new", "2"],
      ["bench", "kernels"]: shape + ["--batch", "1", "--sequence", "4"],
      ["bench", "routing"]: [
        "--hidden", "8", "--experts", "4", "--intermediate", "4", "--top-k", "2", "--tokens", "4", "--devices", "2",
        "--device-limit", "1", "--steps", "1",
      ],
      ["bench", "placement"]: ["--trace", recording, "--devices", "2", "--exact", "0"],
      ["bench", "communication"]: ["--trace", recording],
    ]
  }

  /// Runs a command that must end by itself, in words or with a result.
  private static func ends(_ arguments: [String]) throws -> Bool {
    let process = Process()
    process.executableURL = CommandLineTests.program
    process.arguments = arguments
    let error = Pipe()
    process.standardOutput = FileHandle.nullDevice
    process.standardError = error
    process.standardInput = FileHandle.nullDevice
    process.environment = ProcessInfo.processInfo.environment.merging(["OCCULT_THREADS": "1"]) { $1 }
    try process.run()
    // What says "hangs", on a busy machine too.
    let limit = Task.detached {
      try await Task.sleep(for: .seconds(120))
      process.terminate()
    }
    let text = String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    limit.cancel()
    let words = arguments.joined(separator: " ")
    #expect(process.terminationReason == .exit, "\(words): ended by signal \(process.terminationStatus): \(text)")
    #expect([0, 1, 64].contains(process.terminationStatus), "\(words): status \(process.terminationStatus): \(text)")
    if process.terminationReason == .exit, process.terminationStatus != 0 {
      #expect(text.contains("xpected") || text.contains("invalid"), "\(words): \(text)")
    }
    return process.terminationStatus == 0
  }

  @Test func everyNumberOfEveryOptionMayBeExtreme() throws {
    let place = try Workplace()
    let arguments = try Self.arguments(place)
    var (tried, commands) = (0, 0)
    for command in try Self.commands() {
      guard let own = arguments[command.words] else {
        Issue.record("\(command.words.joined(separator: " ")): no arguments to try its options with")
        continue
      }
      commands += 1
      for option in command.options where !option.takesFile && option.name != "--output" {
        // Options that take no number refuse a word that is none of theirs, or take any word.
        let probe = try CommandLineTests.run(command.words + own + [option.name, "12x"])
        guard probe.status == 64, probe.error.contains("'12x'") else { continue }
        guard probe.error.contains("integer") || probe.error.contains("number") || isSeed(option.name) else { continue }
        // Those that differ for an option, each in a process of its own: both ends, what only a real number is, and
        // none.
        for number in ["-9223372036854775808", "0", "9223372036854775807", "1e308", "NaN"] {
          tried += 1
          _ = try Self.ends(command.words + own + ["\(option.name)=\(number)"])
        }
      }
    }
    #expect(tried > 300 && commands > 20)
  }

  private func isSeed(_ name: String) -> Bool { name == "--seed" }

  /// A pipe that nobody writes to, where a file is expected, is refused at once.
  @Test func pipesInPlaceOfFilesAreRefused() throws {
    let place = try Workplace()
    let arguments = try Self.arguments(place)
    let pipe = place.path + "/pipe"
    try #require(mkfifo(pipe, 0o600) == 0)
    var tried = 0
    for command in try Self.commands() where command.words.first != "bench" || command.words.last == "placement" {
      guard let own = arguments[command.words] else { continue }
      for file in command.files where file < own.count && !own[file].hasPrefix("--") {
        // What is written is not read.
        if command.words == ["convert"], file == 1 { continue }
        var replaced = own
        replaced[file] = pipe
        tried += 1
        #expect(try !Self.ends(command.words + replaced), "\(command.words) \(file)")
      }
      for option in command.options where option.takesFile && option.name != "--output" {
        let without = own.firstIndex(of: option.name).map { Array(own[..<$0] + own[($0 + 2)...]) } ?? own
        tried += 1
        // A profile is read where the policy is made from it.
        let policy = ["--policy", "similarity", "--devices", "4", "--device-limit", "2"]
        let isTable = option.name == "--profile" && command.options.contains { $0.name == "--policy" }
        #expect(
          try !Self.ends(command.words + without + (isTable ? policy : []) + [option.name, pipe]),
          "\(command.words) \(option.name)")
      }
    }
    #expect(tried > 20)
    // And within folders and recipes.
    let folder = place.path + "/folder"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for name in ["config.json", "model.safetensors"] { try #require(mkfifo(folder + "/" + name, 0o600) == 0) }
    #expect(try !Self.ends(["inspect", folder]))
    #expect(try !Self.ends(["finetune", place.recipe, "--dry-run", "data.train={path: \(pipe), format: alpaca}"]))
    #expect(try !Self.ends(["finetune", place.recipe, "--dry-run", "routing.placement=\(pipe).json", "model=\(pipe)"]))
    #expect(try !Self.ends(["finetune", place.recipe, "--dry-run", "model=/dev/zero"]))
    #expect(try !Self.ends(["inspect", "/dev/zero"]))
  }
}
