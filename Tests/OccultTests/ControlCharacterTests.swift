import Checkpoint
import Foundation
import Models
import Testing

@testable import occult

/// Names and texts of files never steer the terminal, whichever way they take to it.
@Suite(.serialized) struct ControlCharacterTests {
  /// Colours, a title, a C1 introducer, and text that turns around.
  static let evil = "\u{1B}[31mred\u{9B}7m\u{202E}gpj\u{7}"
  static let spelled = "\\u{1b}[31mred\\u{9b}7m\\u{202e}gpj\\u{7}"

  /// Runs the program; neither of its streams may hold what steers.
  private func run(_ arguments: [String], shows: Bool = true) throws -> CommandLineTests.Result {
    let result = try CommandLineTests.run(arguments)
    for text in [result.out, result.error] {
      for scalar in ["\u{1B}", "\u{9B}", "\u{202E}", "\u{7}"] as [Unicode.Scalar] {
        #expect(!text.unicodeScalars.contains(scalar), "\(arguments): U+\(String(scalar.value, radix: 16))")
      }
    }
    if shows {
      #expect((result.out + result.error).contains(Self.spelled), "\(arguments): \(result.out)\(result.error)")
    }
    return result
  }

  @Test func keysAndValuesOfRecipes() throws {
    let place = try Workplace()
    let escaped = "\\e[31mred\\x9B7m\\u202Egpj\\a"
    for text in [
      "\"\(escaped)\": 1", "schedule: {\"\(escaped)\": 1}", "schedule: {name: \"\(escaped)\"}",
      "study: {arms: {\"\(escaped)\": {}}}", "data: {train: {path: \"\(escaped)\", format: alpaca}}",
      "model: \"\(escaped)\"",
    ] {
      let path = place.path + "/evil.yaml"
      try "version: 1\n\(text)\n".write(toFile: path, atomically: true, encoding: .utf8)
      #expect(try run(["finetune", path]).status == 1)
    }
    _ = try run(["finetune", place.recipe, "\(Self.evil)=1"])
    _ = try run(["finetune", place.path + "/" + Self.evil])
  }

  @Test func namesAndAttributesOfCheckpoints() throws {
    let place = try Workplace()
    let configuration = try ModelFamily.configuration(
      json: try String(contentsOfFile: CommandLineTests.tiny + "/config.json", encoding: .utf8), file: "config.json")
    let model = ModelFamily.random(configuration, seed: 1)
    let path = place.path + "/evil.h5"
    try CheckpointWriter.write(
      path, weights: ModelBytes(model), extras: CheckpointExtras(configuration: configuration), program: Self.evil)
    #expect(try run(["inspect", path]).status == 0)
    // JSON has them as JSON spells them.
    let json = try run(["inspect", path, "--json"], shows: false)
    #expect(json.out.contains("\\u001b[31mred\\u009b7m\\u202egpj\\u0007"))
    let object = try JSONSerialization.jsonObject(with: Data(json.out.utf8))
    #expect("\(object)".contains("gpj"))
  }

  @Test func keysOfJSONAndSafetensors() throws {
    let place = try Workplace()
    let folder = place.path + "/folder"
    try FileManager.default.copyItem(atPath: CommandLineTests.tiny, toPath: folder)
    let escaped = "\\u001b[31mred\\u009b7m\\u202egpj\\u0007"
    let config = try String(contentsOfFile: folder + "/config.json", encoding: .utf8)
    try config.replacing(/"model_type": *"[^"]*"/, with: "\"model_type\": \"\(escaped)\"").write(
      toFile: folder + "/config.json", atomically: true, encoding: .utf8)
    #expect(try run(["inspect", folder]).status == 1)

    try config.write(toFile: folder + "/config.json", atomically: true, encoding: .utf8)
    let header = "{\"\(escaped)\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}}"
    let count = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
    for name in try FileManager.default.contentsOfDirectory(atPath: folder) where name.contains("safetensors") {
      try FileManager.default.removeItem(atPath: folder + "/" + name)
    }
    try Data(count + Array(header.utf8) + [0, 0, 0, 0]).write(to: URL(fileURLWithPath: folder + "/model.safetensors"))
    _ = try run(["inspect", folder, "--tensors"], shows: false)
    #expect(try run(["convert", folder, place.path + "/x.h5"], shows: false).status == 1)

    let placement = place.path + "/placement.json"
    try "{\"format\": \"\(escaped)\", \"version\": 1}".write(toFile: placement, atomically: true, encoding: .utf8)
    #expect(try run(["place", placement, "--export", "eplb", place.path + "/map.json"]).status == 1)
  }

  @Test func namesOfTasksAndArms() throws {
    let place = try Workplace()
    let task = place.path + "/task.yaml"
    try "task: x\n\"\\e[31mred\\x9B7m\\u202Egpj\\a\": 1\n".write(toFile: task, atomically: true, encoding: .utf8)
    _ = try run([
      "evaluate", place.path + "/base.h5", "--tasks", task, "--task-data", place.path, "--output", place.path + "/e",
    ])
    let harness = CommandLineTests.root + "/Tests/EvaluationTests/Fixtures/harness/"
    let out = place.path + "/comparison"
    let arms = ["a=\(harness)standard", "\(Self.evil)<script>|=\(harness)standard"]
    let compared = try run(["compare"] + arms + ["--output", out, "--draws", "100"])
    #expect(compared.status == 0, "\(compared.error)")
    for name in ["comparison.md", "report.html"] {
      let text = try String(contentsOfFile: out + "/" + name, encoding: .utf8)
      #expect(!text.contains("\u{1B}") && !text.contains("\u{202E}") && !text.contains("<script>|"), "\(name)")
    }
  }

  /// What a person reads goes through one function: no other way to either stream is in the program's source.
  @Test func thereIsOneWayToTheTerminal() throws {
    let folder = CommandLineTests.root + "/Sources/occult"
    let files = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    let ways = ["Options/Output.swift", "Options/Streams.swift"]
    for file in files where file.hasSuffix(".swift") && !ways.contains(file) {
      let text = try String(contentsOfFile: folder + "/" + file, encoding: .utf8)
      for way in ["Swift.print", "FileHandle.standard", "fputs(", "putchar(", " printf("] {
        #expect(!text.contains(way), "\(file): \(way)")
      }
    }
    #expect(files.count > 20)
  }

  /// Text of a model comes in pieces of bytes: as it is into a file, harmless on a terminal, whole characters either
  /// way.
  @Test func textOfAModelIsHarmlessOnATerminal() {
    let bytes = Array("a\u{1B}[31mü你🦊\u{202E}b\n".utf8)
    for size in 1...5 {
      var (plain, terminal) = (Verbatim(isTerminal: false), Verbatim(isTerminal: true))
      var (raw, shown): ([UInt8], [UInt8]) = ([], [])
      for start in stride(from: 0, to: bytes.count, by: size) {
        let piece = Array(bytes[start..<min(start + size, bytes.count)])
        raw += plain.add(piece)
        shown += terminal.add(piece)
      }
      raw += plain.finish()
      shown += terminal.finish()
      #expect(raw == bytes)
      #expect(String(decoding: shown, as: UTF8.self) == "a\\u{1b}[31mü你🦊\\u{202e}b\n")
    }
    var broken = Verbatim(isTerminal: true)
    #expect(broken.add([0x61, 0xF0, 0x9F]) == [0x61])
    #expect(String(decoding: broken.finish(), as: UTF8.self) == "\u{FFFD}")
  }
}
