import Testing

@testable import Evaluation

/// Names and texts of files in what is written for people: no tag, cell, link or colour of theirs comes through.
@Suite struct MarkdownTests {
  @Test(arguments: [
    ("plain < 0.001 [95 % interval] a_b*c", "plain < 0.001 [95 % interval] a_b*c"),
    ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
    ("<!-- x <?php", "&lt;!-- x &lt;?php"),
    ("a|b`c`\nd", "a\\|b\\`c\\` d"),
    ("![x](http://y) [r][s] [t]: u", "![x\\](http://y) [r\\][s] [t\\]: u"),
    ("\u{1B}[31m\u{202E}x", "\\u{1b}[31m\\u{202e}x"),
  ])
  func nothingBecomesMarkup(text: String, expected: String) {
    #expect(Markdown.text(text) == expected)
    #expect(TextTable(heads: [text], rows: [[text]]).markdown == "| \(expected) |\n| --- |\n| \(expected) |")
  }

  private static let name = "<script>x</script>|`\u{1B}[31m\u{202E}"

  @Test func comparisonsOfEvaluationsAreHarmless() throws {
    let standard = MadeRun().choices("q", right: [true, false, true, true, false, true, true, true])
    let other = MadeRun().choices("q", right: [true, true, false, true, false, false, true, true])
    let comparison = try QualityComparison(
      [
        ComparedArm(name: "standard", runs: [try standard.run()]),
        ComparedArm(name: Self.name, runs: [try other.run()]),
      ], reference: "standard", base: nil, margin: .standard, bootstrap: Bootstrap(draws: 100, seed: 1))
    let html = QualityReport(comparison, version: "0").html
    for text in [QualityTable(comparison).markdown, html] {
      #expect(!text.contains("<script>x"))
      #expect(!text.contains("\u{1B}") && !text.contains("\u{202E}"))
      #expect(text.contains("&lt;script"))
    }
    // Whatever JavaScript a report has is its own.
    #expect(!html.contains("<script>x") && !html.contains("javascript:"))
  }
}
