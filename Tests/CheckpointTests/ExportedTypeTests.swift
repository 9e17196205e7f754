import Files
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

/// An exported `config.json` says the type of the tensors beside it, and otherwise keeps every byte.
@Suite struct ExportedTypeTests {
  /// Exports the tiny model with these members in place of its `dtype`.
  private func exported(_ members: String, dtype: ElementType?) throws -> (before: String, after: String) {
    let scratch = try TemporaryFolder()
    let source = scratch.path("source")
    try FileManager.default.copyItem(atPath: oracleFolder("olmoe-tiny"), toPath: source)
    let file = source + "/config.json"
    let text = try String(contentsOfFile: file, encoding: .utf8)
    let before = text.replacing("  \"dtype\": \"float32\",\n", with: members)
    try #require(text != before || members.contains("float32"))
    try before.write(toFile: file, atomically: true, encoding: .utf8)
    // By way of a checkpoint, which has the text as it was.
    _ = try Conversion(source: source, destination: scratch.path("m.h5"), dtype: dtype).run(program: "test")
    _ = try Conversion(source: scratch.path("m.h5"), destination: scratch.path("out"), verifies: true).run(
      program: "test")
    return (before, try String(contentsOfFile: scratch.path("out") + "/config.json", encoding: .utf8))
  }

  @Test(
    arguments: [
      ("  \"dtype\": \"float32\",\n", "  \"dtype\": \"bfloat16\",\n"),
      ("  \"torch_dtype\" : \"float16\",\n", "  \"torch_dtype\" : \"bfloat16\",\n"),
      (
        "  \"torch_dtype\": \"float32\",\n  \"dtype\": null,\n",
        "  \"torch_dtype\": \"bfloat16\",\n  \"dtype\": \"bfloat16\",\n"
      ),
      ("  \"torch_dtype\": \"bfloat16\",\n", "  \"torch_dtype\": \"bfloat16\",\n"),
      // What is called so elsewhere is left alone.
      (
        "  \"task_specific_params\": {\"dtype\": \"float32\"},\n  \"dtype\": \"float32\",\n",
        "  \"task_specific_params\": {\"dtype\": \"float32\"},\n  \"dtype\": \"bfloat16\",\n"
      ),
    ])
  func everySpelling(members: String, expected: String) throws {
    let (before, after) = try exported(members, dtype: .bfloat16)
    #expect(after == before.replacing(members, with: expected))
  }

  @Test func typesThatAreThereAreKept() throws {
    let (before, after) = try exported("  \"dtype\": \"float32\",\n", dtype: nil)
    #expect(after == before)
    let (plain, stated) = try exported("", dtype: nil)
    let end = try #require(plain.lastIndex(of: "}"))
    let body = plain[..<end].reversed().drop(while: \.isWhitespace).reversed()
    #expect(stated.hasPrefix(String(body) + ",\n  \"dtype\": \"float32\""))
  }

  /// Of several types the one that most elements have.
  @Test func mixedTypes() throws {
    let scratch = try TemporaryFolder()
    let (half, mixed) = (scratch.path("half"), scratch.path("mixed"))
    _ = try Conversion(source: oracleFolder("olmoe-tiny"), destination: half, dtype: .bfloat16).run(program: "test")
    let wide = try HubTensor.all(in: oracleFolder("olmoe-tiny")).filter { $0.name.hasSuffix("norm.weight") }
    let tensors = try HubTensor.all(in: half).filter { tensor in !wide.contains { $0.name == tensor.name } } + wide
    let config = try TextFile.read(half + "/config.json")
    try HubTensor.write(tensors, to: mixed, config: config)
    _ = try Conversion(source: mixed, destination: scratch.path("out")).run(program: "test")
    let text = try String(contentsOfFile: scratch.path("out") + "/config.json", encoding: .utf8)
    #expect(text.contains("\"dtype\": \"bfloat16\""))
  }
}
