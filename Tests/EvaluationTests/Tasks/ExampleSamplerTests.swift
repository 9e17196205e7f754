import Foundation
import Testing

@testable import Evaluation
@testable import Text

/// Which examples stand before which question.
@Suite struct ExampleSamplerTests {
  /// Numbers of CPython 3.11: `r = random.Random(1234)`, `[r.getrandbits(32) for _ in range(4)]`,
  /// `r.sample(range(n), k)`.
  @Test func numbersOfPython() {
    var generator = PythonRandom(seed: 1234)
    #expect((0..<4).map { _ in generator.next() } == [4_150_886_329, 3_342_196_574, 1_892_932_127, 501_869_158])
    generator = PythonRandom(seed: 1234)
    #expect(generator.sample(3, below: 1000) == [989, 796, 451])
    #expect(generator.sample(5, below: 21) == [3, 0, 2, 1, 18])
    #expect(generator.sample(5, below: 22) == [3, 11, 7, 0, 20])
    #expect(
      generator.sample(25, below: 60) == [
        39, 30, 59, 29, 9, 5, 11, 45, 7, 0, 32, 31, 15, 4, 42, 34, 56, 46, 38, 54, 49, 37, 2, 17, 35,
      ])
    #expect(
      generator.sample(25, below: 300) == [
        32, 154, 246, 181, 136, 127, 102, 232, 271, 9, 260, 36, 2, 170, 73, 242, 193, 85, 27, 39, 254, 83, 38, 285, 110,
      ])
    #expect(generator.sample(1, below: 1) == [0])
    #expect(generator.sample(5, below: 5) == [0, 2, 4, 3, 1])
  }

  private func task(_ more: String) throws -> TaskDefinition {
    try #require(
      try TaskDefinition.parse(
        "task: t\noutput_type: loglikelihood\ndata: {split: test, files: [t.jsonl]}\ndoc_to_text: \"{{q}}\"\n"
          + "doc_to_target: \"{{a}}\"\nmetric_list: [acc]\ntarget_delimiter: \"=\"\nfewshot_delimiter: \";\"\n\(more)",
        file: "t"
      ).first)
  }

  private let rows: TaskRows

  init() throws {
    let path = NSTemporaryDirectory() + "/occult-examples-\(UUID().uuidString).jsonl"
    try (0..<6).map { "{\"q\": \"q\($0)\", \"a\": \"a\"}\n" }.joined().write(
      toFile: path, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: path) }
    rows = try TaskRows(file: path)
  }

  @Test func firstOnes() throws {
    let definition = try task("fewshot_config: {sampler: first_n}")
    var sampler = try ExampleSampler(definition, rows, count: 2, areQuestions: false)
    #expect(rows.rows.map { sampler.examples(before: $0) } == Array(repeating: "q0=a;q1=a;", count: 6))
    var own = try ExampleSampler(definition, rows, count: 2, areQuestions: true)
    #expect(rows.rows.prefix(3).map { own.examples(before: $0) } == ["q1=a;q2=a;", "q0=a;q2=a;", "q0=a;q1=a;"])
  }

  /// Drawn from the questions themselves, none stands before itself, and all need one row more.
  @Test func noQuestionStandsBeforeItself() throws {
    let definition = try task("")
    var sampler = try ExampleSampler(definition, rows, count: 5, areQuestions: true)
    for row in rows.rows {
      let examples = sampler.examples(before: row)
      let question = try #require(row.value["q"]?.string)
      #expect(!examples.contains(question) && examples.pieces(";").count == 6)
    }
    #expect(throws: TaskDataError.shots(task: "t", file: rows.file, expected: 7, found: 6, most: 5)) {
      _ = try ExampleSampler(definition, rows, count: 6, areQuestions: true)
    }
    _ = try ExampleSampler(definition, rows, count: 6, areQuestions: false)
  }
}
