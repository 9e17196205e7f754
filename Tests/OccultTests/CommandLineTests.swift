import Checkpoint
import Foundation
import Testing

/// The program as a user starts it: exit codes, streams, and exact messages.
@Suite struct CommandLineTests {
  /// Beside the bundle of tests, which is the running program.
  static let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    .appendingPathComponent("occult")
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  static let tiny = root + "/Tests/ModelsTests/Oracles/olmoe-tiny"

  struct Result {
    let status: Int32
    let out: String
    let error: String
  }

  /// Runs the program; `input` is its standard input, nothing if left out.
  static func run(_ arguments: [String], input: String? = nil) throws -> Result {
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    // Files, not pipes: a full pipe would stop the program.
    let folder = NSTemporaryDirectory() + "/occult-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func handle(_ name: String) throws -> FileHandle {
      _ = FileManager.default.createFile(atPath: folder + "/" + name, contents: nil)
      return try FileHandle(forWritingTo: URL(fileURLWithPath: folder + "/" + name))
    }
    process.standardOutput = try handle("out")
    process.standardError = try handle("error")
    if let input {
      try input.write(toFile: folder + "/in", atomically: true, encoding: .utf8)
      process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: folder + "/in"))
    } else {
      process.standardInput = FileHandle.nullDevice
    }
    try process.run()
    process.waitUntilExit()
    func text(_ name: String) throws -> String {
      try String(contentsOfFile: folder + "/" + name, encoding: .utf8)
    }
    return Result(status: process.terminationStatus, out: try text("out"), error: try text("error"))
  }

  struct Case: Sendable {
    let arguments: [String]
    let message: String

    init(_ arguments: [String], _ message: String) { (self.arguments, self.message) = (arguments, message) }
  }

  static let badInput: [Case] = [
    Case(
      ["inspect", "nowhere.h5"],
      "nowhere.h5: expected to open the file, found 'No such file or directory'; try a path that exists\n"
    ),
    Case(
      ["convert", tiny, tiny],
      "\(tiny): expected another place than the source and its base, found the same; try another name\n"
    ),
    Case(
      ["generate", tiny, "--prompt", "x"],
      "\(tiny): expected a tokenizer, found none; try adding tokenizer.json or tokenizer.model to the Hugging Face "
        + "folder and converting again\n"
    ),
    Case(
      ["trace", tiny, "--tokens", "nowhere.txt", "--output", "/tmp/never.h5"],
      "nowhere.txt: expected a readable text file, found none; try a path that exists\n"
    ),
    Case(
      ["place", tiny + "/config.json", "--devices", "4", "--output", "/tmp/never.json"],
      "\(tiny)/config.json: expected an HDF5 file, found JSON text; try another file, or fetching this one again\n"
    ),
    Case(
      ["place", tiny + "/config.json", "--export", "eplb", "/tmp/never.json"],
      "\(tiny)/config.json: format: expected a value, found no such key\n"
    ),
    Case(
      ["plan", "--fit", "nowhere.yaml"],
      "nowhere.yaml: expected measured points in UTF-8, found no such file; try docs/plan.md for the keys\n"
    ),
  ]

  @Test(arguments: badInput)
  func badInputIsNamedOnStandardError(input: Case) throws {
    let result = try Self.run(input.arguments)
    #expect(result.status == 1 && result.out == "")
    #expect(result.error == input.message)
  }

  @Test(arguments: [
    (["convert", "a", "b.h5", "--compress", "10"], "--compress: expected a level in 1...9, found 10"),
    (["convert", "a", "b", "--hdf5-layout", "mapped"], "expected a checkpoint (.h5) to write, found 'b'"),
    (["convert", "a", "b.h5", "--with-code"], "--with-code: expected a folder to write, found 'b.h5'"),
    (
      ["convert", "a", "b", "--with-code", "--allow-unlimited"],
      "--with-code: expected the limit to be kept, found --allow-unlimited; try one of the two"
    ),
    (["profile", "--output", "p.h5"], "profile: expected either a model or --routing, found neither"),
    (["place", "p.h5", "--output", "p.json"], "place: expected --devices and --output, found no --devices"),
    (
      ["place", "p.h5", "--devices", "4", "--output", "p.json", "--export", "eplb"],
      "--export: expected an engine and a file, found 1 value"
    ),
    (
      ["place", "p.json", "--export", "eplb", "m.json", "--layers", "3"],
      "--layers: expected --export sglang, found 'eplb'"
    ),
    (
      ["place", "p.h5", "--devices", "4", "--output", "p.json", "--seconds", "0"],
      "--seconds: expected more than 0, found 0.0"
    ),
    (
      ["place", "p.h5", "--devices", "4", "--output", "p.json", "--seconds", "nan"],
      "--seconds: expected more than 0, found nan"
    ),
    (
      ["place", "p.h5", "--devices", "4", "--output", "p.json", "--seconds", "3", "--proposals", "5"],
      "--seconds: expected no --proposals beside it, found both"
    ),
    (
      ["place", "p.h5", "--devices", "4", "--output", "p.json", "--seconds", "3", "--method", "load"],
      "--seconds: expected --method refined, found load"
    ),
    (
      ["place", "p.h5", "--devices", "4", "--output", "p.json", "--proposals=-1"],
      "--proposals: expected at least 0, found -1"
    ),
    (
      ["place", "p.h5", "--devices", "4", "--output", "p.json", "--slack=-1"], "--slack: expected at least 0, found -1"
    ),
    (
      ["place", "p.h5", "--devices", "4", "--output", "p.json", "--slack", "1", "--method", "occult"],
      "--slack: expected --method refined, found occult"
    ),
    (
      ["place", "p.h5", "--devices", "4", "--output", "p.json", "--slack", "1", "--nodes", "2"],
      "--slack: expected one node and no replicas beside it, found 1"
    ),
    (["plan", "p.h5"], "plan: expected --topology or --fit, found neither"),
    (["plan", "p.h5", "--topology", "t.yaml", "--fit", "f.yaml"], "plan: expected --topology or --fit, found both"),
    (["plan", "--topology", "t.yaml"], "plan: expected a profile, found none"),
    (
      ["plan", "--fit", "f.yaml", "--devices", "4"],
      "--devices: expected a topology to plan for, found --fit, which knows one machine"
    ),
    (["plan", "p.h5", "--topology", "t.yaml", "--tokens", "0"], "--tokens: expected at least 1, found 0"),
    (
      ["plan", "p.h5", "--topology", "t.yaml", "--model", "m.h5", "--hidden", "8"],
      "--hidden, --intermediate: expected no --model beside them, found 'm.h5'"
    ),
    (
      ["profile", "m", "--text", "t", "--routing", "r.jsonl", "--output", "p.h5"],
      "profile: expected either a model or --routing, found both"
    ),
    (
      ["profile", "--loads", "l.json", "--output", "p.h5"], "--top-k: expected experts a token with --loads, found none"
    ),
    (["analyze", "p.h5"], "--devices: expected a number of devices, found none"),
    (
      ["analyze", "p.h5", "--placement", "p.json"], "--placement: expected --against with a second profile, found none"
    ),
    (["bench", "train", "--hidden", "100"], "--hidden: expected an even multiple of 8 heads, found 100"),
  ])
  func badArgumentsAreUsageErrors(arguments: [String], message: String) throws {
    let result = try Self.run(arguments)
    #expect(result.status == 64 && result.out == "" && result.error.contains(message))
  }

  @Test func convertsInspectsAndTraces() throws {
    let folder = NSTemporaryDirectory() + "/occult-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let checkpoint = folder + "/tiny.h5"
    let converted = try Self.run(["convert", Self.tiny, checkpoint, "--verify"])
    #expect(converted.status == 0 && converted.out.hasPrefix("\(checkpoint): 25 tensors, 1.19 MB, 25 verified, "))
    let again = try Self.run(["convert", Self.tiny, checkpoint])
    #expect(again.status == 1)
    #expect(
      again.error == "\(checkpoint): expected a new name, found something there; try another name, or --overwrite\n")

    let inspected = try Self.run(["inspect", checkpoint, "--json"])
    let object = try JSONSerialization.jsonObject(with: Data(inspected.out.utf8)) as? [String: Any]
    #expect(object?["kind"] as? String == "checkpoint")

    try "1 2 3\n4 5\n".write(toFile: folder + "/ids.txt", atomically: true, encoding: .utf8)
    let ragged = try Self.run(["trace", checkpoint, "--tokens", folder + "/ids.txt", "--output", folder + "/t.h5"])
    #expect(ragged.status == 1)
    #expect(
      ragged.error == "\(folder)/ids.txt:2: expected 3 tokens as in the lines before, found 2; "
        + "try one file for each length\n")
    try "1 2 3\n4 5 6\n".write(toFile: folder + "/ids.txt", atomically: true, encoding: .utf8)
    let limited = try Self.run([
      "trace", checkpoint, "--tokens", folder + "/ids.txt", "--output", folder + "/t.h5", "--devices", "4",
      "--device-limit", "1", "--gradients",
    ])
    #expect(limited.status == 0)
    let trace = try HDF5Reader(folder + "/t.h5")
    #expect(try trace.info("kept_index/1").shape == [6, 2])
    #expect(try trace.contains("gradients_total/model/norm/weight"))
  }

  /// A recording becomes a profile, which is analysed and compared with itself.
  @Test func profilesAndAnalysesARecording() throws {
    let folder = NSTemporaryDirectory() + "/occult-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let recording = Self.root + "/Tests/ProfilesTests/Oracles/recorded_routing.jsonl"
    let profiled = try Self.run(["profile", "--routing", recording, "--output", folder + "/p.h5"])
    #expect(profiled.status == 0 && profiled.out == "\(folder)/p.h5: 2 layers, 288 tokens, 288 recorded sets\n")
    let effort = ["--proposals", "2000", "--null-draws", "2", "--json"]
    let analysed = try Self.run(["analyze", folder + "/p.h5", "--devices", "4"] + effort)
    let analysis = try JSONSerialization.jsonObject(with: Data(analysed.out.utf8)) as? [String: Any]
    #expect((analysis?["layers"] as? [[String: Any]])?.map { $0["layer"] as? Int } == [0, 3])
    let table = try Self.run([
      "analyze", folder + "/p.h5", "--devices", "4", "--proposals", "2000", "--null-draws", "0",
    ])
    #expect(
      table.out.hasSuffix("profile more: 2 of 2 layers may still gain over 1 %, or have too little text to tell\n"))
    let transfer = try Self.run(
      ["analyze", folder + "/p.h5", "--devices", "4", "--against", folder + "/p.h5"] + effort)
    #expect(transfer.status == 0 && transfer.out.contains("\"kept\" : 1"))
    let array = Self.root + "/Tests/ProfilesTests/Oracles/routed_experts_int16.npy"
    #expect(try Self.run(["profile", "--routing", array, "--output", folder + "/a.h5"]).status == 0)
    let other = try Self.run(["analyze", folder + "/p.h5", "--devices", "4", "--against", folder + "/a.h5"])
    #expect(other.status == 1)
    #expect(other.error == "experts: expected 64 as in the first profile, found 11; try profiles of one model\n")
  }

  @Test(arguments: [
    "convert", "inspect", "trace", "profile", "analyze", "place", "plan", "generate", "doctor", "bench",
  ])
  func helpHasAnExample(command: String) throws {
    let result = try Self.run([command, "--help"])
    #expect(result.status == 0 && result.out.contains("occult \(command)") && result.out.contains("Example"))
  }
}
