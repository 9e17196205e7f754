import Foundation
import FoundationXML
import Testing

@testable import Evaluation

struct ReportTests {
  static func report(_ study: Study) throws -> String {
    Report(study: study, comparison: try Comparison(study, bootstrap: ComparisonTests.quick)).html
  }

  /// Set OCCULT_REPORT to a path to look at the sample.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["OCCULT_REPORT"] != nil))
  func writesTheSample() throws {
    let path = try #require(ProcessInfo.processInfo.environment["OCCULT_REPORT"])
    let study = Sample.study()
    let comparison = try Comparison(study)
    try Report(study: study, comparison: comparison).html.write(toFile: path, atomically: true, encoding: .utf8)
    print(ComparisonTable(comparison).plain, comparison.headline, comparison.verdict.joined(separator: "\n"))
  }

  @Test func pageIsSelfContainedXML() throws {
    let html = try Self.report(Sample.study())
    let page = try Outline(html)
    #expect(!html.contains("http") && !html.contains("src=") && !html.contains("url(") && !html.contains("@import"))
    #expect(page.counts["script"] == nil && page.counts["link"] == nil)
    #expect(page.counts["section"] == 8 && page.counts["table"] == 2)
    #expect(page.repeatedIDs.isEmpty)
    #expect(html.utf8.count < 400_000, "\(html.utf8.count)")  // 6 layers of 64 experts; the limit is 1.5 MB.
    #expect(!html.contains("nan") && !html.contains("inf<") && !html.contains("Optional("))
  }

  /// Every picture that is not mere decoration has a name and a description.
  @Test func picturesHaveWords() throws {
    let page = try Outline(Self.report(Sample.study()))
    #expect(page.pictures > 20 && page.namelessPictures == 0)
  }

  @Test func namesAreEscaped() throws {
    let name = "L<2&\"'>]]>"
    var study = Sample.study(documents: 10)
    study.facts.model = "<script>alert(1)</script>"
    for index in study.cells.indices where study.cells[index].arm == "L2" { study.cells[index].arm = name }
    for index in study.curves.indices where study.curves[index].arm == "L2" { study.curves[index].arm = name }
    let html = try Self.report(study)
    let page = try Outline(html)
    #expect(page.counts["script"] == nil)
    #expect(html.contains("L&lt;2&amp;&quot;'&gt;]]&gt;") && html.contains("&lt;script&gt;"))
    #expect(page.texts.contains(name))
  }

  @Test func partsWithoutDataAreLeftOut() throws {
    var study = Sample.study(documents: 10)
    study.curves = []
    study.layers = []
    study.facts.maxLogitDifference = nil
    for index in study.cells.indices {
      study.cells[index].layers = []
      study.cells[index].retention = []
    }
    study.cells.removeAll { $0.arm != "base" && $0.arm != "L1" }
    let page = try Outline(Self.report(study))
    #expect(page.counts["section"] == 4)
  }

  /// Every pair is painted once, at the place where the order drawn puts it.
  @Test func heatMapPaintsEveryPairOnce() {
    let layer = Sample.study(documents: 2).layers[5]
    for placed in [false, true] {
      let map = HeatMap(layer, devices: 4, placed: placed)
      #expect(map.order.sorted() == Array(0..<64) && map.blocks == [0..<16, 16..<32, 32..<48, 48..<64])
      #expect((0..<64).allSatisfy { map.grid[$0 * 64 + $0] == -1 })
      // The strokes, read back, are the grid.
      var painted = [Int](repeating: 0, count: 64 * 64)
      for level in 1..<HeatMap.levels {
        var (x, y) = (0, 0)
        for match in map.path(level).matches(of: /([Mm])(\d+) (\d+)h(\d+)/) {
          let (column, row, run) = (Int(match.2) ?? -1, Int(match.3) ?? -1, Int(match.4) ?? 0)
          (x, y) = match.1 == "M" ? (column, row) : (x + column, y + row)
          for _ in 0..<run {
            painted[y * 64 + x] += level
            x += 1
          }
        }
      }
      #expect(painted == map.grid.map { max($0, 0) })
    }
  }

  @Test(arguments: [
    ([0.0, 1876], [0.0, 500, 1000, 1500, 2000]), ([2.41, 2.79], [2.4, 2.5, 2.6, 2.7, 2.8]), ([3, 3], [2.4, 2.6]),
    ([], [0.0, 0.2]),
  ])
  func ticksAreRound(values: [Double], expected: [Double]) {
    let scale = Scale(covering: values, from: 0, to: 100)
    for (tick, value) in zip(scale.ticks, expected) { #expect(abs(tick - value) <= 1e-9) }
    #expect(values.allSatisfy { (-1e-9...100 + 1e-9).contains(scale($0)) })
  }

  @Test func labelsKeepTheirDistance() {
    let places = Labels.spread([50, 10, 12, 98], gap: 15, in: 0...100)
    #expect(places == [50, 10, 25, 98])
    let tight = Labels.spread([95, 96, 97], gap: 15, in: 0...100)
    #expect(tight == [70, 85, 100])
  }

  @Test func smoothingKeepsALineStraight() {
    let line = (0..<60).map(Double.init)
    for (value, expected) in zip(Report.smooth(line), line) { #expect(abs(value - expected) <= 1e-12) }
  }
}

/// What a parser of XML finds in a page.
private final class Outline: NSObject, XMLParserDelegate {
  var counts: [String: Int] = [:]
  var texts: Set<String> = []
  var repeatedIDs: [String] = []
  var pictures = 0
  var namelessPictures = 0
  private var ids: Set<String> = []
  private var open: [(name: String, isNamed: Bool, needsName: Bool)] = []
  private var text = ""

  init(_ html: String) throws {
    super.init()
    let parser = XMLParser(data: Data(html.utf8))
    parser.delegate = self
    guard parser.parse() else {
      throw parser.parserError ?? CocoaError(.fileReadCorruptFile)
    }
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    counts[name, default: 0] += 1
    if let id = attributes["id"], !ids.insert(id).inserted { repeatedIDs.append(id) }
    if name == "desc", let last = open.indices.last { open[last].isNamed = true }
    let isPicture = name == "svg" && attributes["aria-hidden"] == nil
    pictures += isPicture ? 1 : 0
    open.append((name, false, isPicture))
    text = ""
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }

  func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
    texts.insert(text)
    if let element = open.popLast(), element.needsName, !element.isNamed { namelessPictures += 1 }
  }
}
