import Foundation
import Testing

@testable import Evaluation

/// Tables and report of compared evaluations.
struct QualityReportTests {
  static func comparison() throws -> QualityComparison {
    func run(_ lost: Int, _ bytes: Double) -> MadeRun {
      MadeRun().choices("x", right: (0..<40).map { $0 >= lost }).choices("y", right: (0..<40).map { $0 >= 10 + lost })
        .choices("z", right: (0..<40).map { $0 % 4 == 0 }).pages("p", (0..<20).map { -20 - Double($0 + lost) })
        .results(bytes: bytes)
    }
    return try PairingTests.compare(
      ["base": [run(12, 1500)], "a": [run(0, 1500)], "b|<b>": [run(9, 900)]], base: "base")
  }

  /// Set OCCULT_REPORT to a folder to look at the reports of made-up and of the harness's own evaluations.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["OCCULT_REPORT"] != nil))
  func writesTheSamples() throws {
    let folder = try #require(ProcessInfo.processInfo.environment["OCCULT_REPORT"])
    for (name, comparison) in [("made", try Self.comparison()), ("harness", try PairingTests.harness())] {
      try QualityReport(comparison, version: "0.1.0").html
        .write(toFile: "\(folder)/\(name).html", atomically: true, encoding: .utf8)
      print(QualityTable(comparison).plain, comparison.headline, comparison.verdict.joined(separator: "\n"))
    }
  }

  @Test func pageIsSelfContainedXML() throws {
    let html = QualityReport(try Self.comparison(), version: "0.1.0").html
    let page = try Outline(html)
    #expect(!html.contains("http") && !html.contains("src=") && !html.contains("url(") && !html.contains("@import"))
    #expect(page.counts["section"] == 7 && page.counts["table"] == 2 && page.counts["details"] == 4)
    #expect(page.repeatedIDs.isEmpty && page.pictures == 4 && page.namelessPictures == 0)
    #expect(page.counts["b"] == nil && page.texts.contains("b|<b>"))
    #expect(!html.contains("nan") && !html.contains("Optional("))
  }

  @Test func tablesHaveEveryArmAndTask() throws {
    let table = QualityTable(try Self.comparison())
    let lines = table.csv.split(separator: "\n")
    // Three tasks and the mean, z with two metrics, of two arms each, and the heads.
    #expect(lines.count == 1 + 2 * (1 + 1 + 2 + 1 + 1))
    #expect(lines.allSatisfy { $0.split(separator: ",", omittingEmptySubsequences: false).count == 26 })
    #expect(lines.contains { $0.hasPrefix("x,40,acc,,true,false,0.25,a,1.0,b|<b>,0.775,-0.22") })
    let markdown = table.markdown
    #expect(
      markdown.contains("| b\\|&lt;b> | 0.775 | −0.225 |")
        && markdown.contains("### x: 9 lost by b\\|&lt;b>, the first 5"))
    #expect(markdown.contains("| acc* | 40 |") && table.plain.contains("* at chance level"))
    #expect(table.plain.contains("gold_logprob"))
  }

  @Test func fieldsAreQuoted() {
    let table = TextTable(heads: ["a", ">b"], rows: [["x,\"y\"", "1"], ["line\nline", "2|3"]])
    #expect(table.csv == "a,b\n\"x,\"\"y\"\"\",1\n\"line\nline\",2|3\n")
    #expect(table.markdown == "| a | b |\n| --- | ---: |\n| x,\"y\" | 1 |\n| line line | 2\\|3 |")
    #expect(TextTable(heads: ["a", ">b"], rows: [["xyz", "1"]]).text == "a    b\nxyz  1")
  }

  @Test func fileHasTheKeysOfItsFormat() throws {
    let file = try #require(
      try JSONSerialization.jsonObject(with: try Self.comparison().json()) as? [String: Any])
    #expect(file["format"] as? String == "occult-quality-comparison" && file["version"] as? Int == 1)
    let keys = [
      "headline", "verdict", "reference", "base", "bootstrap", "arms", "tasks", "mean", "lone_tasks", "flips",
    ]
    for key in keys { #expect(file[key] != nil, "\(key)") }
    let tasks = try #require(file["tasks"] as? [[String: Any]])
    let metrics = try #require(tasks[0]["metrics"] as? [[String: Any]])
    let differences = try #require(metrics[0]["differences"] as? [[String: Any]])
    for key in ["arm", "difference", "p", "test", "adjusted", "verdict"] {
      #expect(differences[1][key] != nil, "\(key)")
    }
    #expect((differences[1]["non_inferiority"] as? [String: Any])?["outcome"] is String)
  }
}
