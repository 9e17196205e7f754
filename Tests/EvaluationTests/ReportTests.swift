import Foundation
import FoundationXML
import Testing

@testable import Evaluation

struct ReportTests {
  static func report(_ study: Study) throws -> String {
    Report(study: study, comparison: try Comparison(study, bootstrap: ComparisonTests.quick)).html
  }

  /// Set OCCULT_REPORT to a folder to look at the samples: a small study and a large one.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["OCCULT_REPORT"] != nil))
  func writesTheSamples() throws {
    let folder = try #require(ProcessInfo.processInfo.environment["OCCULT_REPORT"])
    for (name, study) in [("small", Sample.study()), ("large", Sample.manyArms(seeds: 2))] {
      let comparison = try Comparison(study, bootstrap: ComparisonTests.quick)
      try Report(study: study, comparison: comparison).html
        .write(toFile: "\(folder)/\(name).html", atomically: true, encoding: .utf8)
      print(ComparisonTable(comparison).plain, comparison.headline, comparison.verdict.joined(separator: "\n"))
    }
  }

  /// Forty-five arms: every one is in the tables and the forests, pictures name the leaders, and the page stays small.
  @Test func manyArmsKeepTheirPlace() throws {
    let study = Sample.manyArms(seeds: 1)
    let html = try Self.report(study)
    let page = try Outline(html)
    #expect(page.counts["section"] == 11 && page.counts["table"] == 5 && page.repeatedIDs.isEmpty)
    #expect(page.namelessPictures == 0 && html.utf8.count < 1_500_000, "\(html.utf8.count)")
    #expect(page.counts["polyline"] ?? 0 < 80)
    for arm in ["similarity-L2-mass", "random_devices-L1"] {
      #expect(html.components(separatedBy: ">\(arm)<").count >= 4, "\(arm)")
    }
  }

  /// Of many arms each has one marker in the scatter, near its place, few are covered, and the caption names the
  /// frontier.
  @Test func manyMarkersStandApart() throws {
    let html = try Self.report(Sample.manyArms(seeds: 1))
    let start = try #require(html.range(of: "aria-labelledby=\"scatter-target-t"))
    let end = try #require(html[start.upperBound...].range(of: "</svg>"))
    let picture = html[start.upperBound..<end.lowerBound]
    let circles = picture.matches(of: /<path d="M([-0-9.]+) ([-0-9.]+)a5 5/).compactMap { match in
      Double(match.1).flatMap { x in Double(match.2).map { (x: x + 5, y: $0) } }
    }
    #expect(circles.count > 30)
    let covered = circles.indices.count { index in
      circles[..<index].contains { abs($0.x - circles[index].x) < 10.9 && abs($0.y - circles[index].y) < 10.9 }
    }
    #expect(covered < circles.count / 4, "\(covered) of \(circles.count)")
    #expect(!picture.contains("hollow") && !picture.contains("class=\"strong"))
    #expect(html.contains("Joined, as no other beats them in both, from the cheapest: "))
  }

  /// Text against its ground in both themes: at least 4.5 : 1 for words, 3 : 1 for lines and marks (WCAG 2.2, AA).
  @Test func contrastIsEnough() throws {
    let parts = Page.style.components(separatedBy: "prefers-color-scheme: dark")
    #expect(parts.count == 2)
    for part in parts {
      var colours: [String: String] = [:]
      for match in part.matches(of: /--([a-z0-9]+): (#[0-9a-f]{6})/) where colours[String(match.1)] == nil {
        colours[String(match.1)] = String(match.2)
      }
      func contrast(_ a: String, _ b: String) throws -> Double {
        let (x, y) = (try luminance(#require(colours[a])), try luminance(#require(colours[b])))
        return (max(x, y) + 0.05) / (min(x, y) + 0.05)
      }
      for ground in ["ground", "panel", "mark"] {
        for text in ["ink", "soft", "accent", "s0", "s1", "s2", "s3", "s4", "s5"] {
          #expect(try contrast(text, ground) >= 4.5, "\(text) on \(ground)")
        }
      }
      // Figures inside the matrix of devices, on the four lightest steps; outlines of devices on the heat maps' middle.
      for level in 0..<4 { #expect(try contrast("ink", "h\(level)") >= 4.5, "ink on h\(level)") }
      #expect(try contrast("box", "h0") >= 3 && contrast("h5", "panel") >= 3)
    }
  }

  /// Relative luminance of `#rrggbb`, as WCAG defines it.
  private func luminance(_ colour: String) throws -> Double {
    let number = try #require(Int(colour.dropFirst(), radix: 16))
    func linear(_ shift: Int) -> Double {
      let value = Double(number >> shift & 255) / 255
      return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
    }
    return 0.2126 * linear(16) + 0.7152 * linear(8) + 0.0722 * linear(0)
  }

  /// Browsers read scripts and styles as they stand, so they may hold nothing that is written as an entity.
  @Test(arguments: [Page.script, Page.style])
  func rawTextNeedsNoEscapes(text: String) {
    #expect(!text.contains { "<>&\"".contains($0) })
  }

  /// Both matrices have all pairs, and both sets of loads the mean 1.
  @Test func flowCountsEveryPair() {
    let study = Sample.study(documents: 2)
    for placed in [false, true] {
      let flow = DeviceFlow(study.layers, devices: 4, placed: placed)
      #expect(abs(flow.pairs.joined().reduce(0, +) - 1) <= 1e-12)
      #expect((0..<4).allSatisfy { i in (0..<4).allSatisfy { flow.pairs[i][$0] == flow.pairs[$0][i] } })
      #expect(abs(flow.loads.reduce(0) { $0 + $1.mean } - 4) <= 1e-12)
      #expect(flow.loads.allSatisfy { $0.low <= $0.mean && $0.mean <= $0.high })
    }
    // Of one layer, the diagonal is what the placement says of pairs on one device.
    let layer = study.layers[5]
    let flow = DeviceFlow([layer], devices: 4, placed: true)
    #expect(abs((0..<4).reduce(0) { $0 + flow.pairs[$1][$1] } - layer.chosen.intraShare) <= 1e-12)
  }

  @Test func pageIsSelfContainedXML() throws {
    let html = try Self.report(Sample.study())
    let page = try Outline(html)
    #expect(!html.contains("http") && !html.contains("src=") && !html.contains("url(") && !html.contains("@import"))
    #expect(page.counts["script"] == 1 && page.counts["link"] == nil)
    #expect(page.counts["section"] == 10 && page.counts["table"] == 3)
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
    #expect(page.counts["script"] == 1)
    #expect(html.contains("L&lt;2&amp;&quot;'&gt;]]&gt;") && html.contains("&lt;script&gt;"))
    #expect(page.texts.contains(name))
  }

  @Test func copiesOfBothLevelsAreShownWhereTheyWereCounted() throws {
    var study = Sample.study(documents: 20)
    let plain = ComparisonTable(try Comparison(study)).plain
    #expect(!plain.contains("between"))
    #expect(!(try Self.report(study)).contains("between nodes"))
    for cell in study.cells.indices {
      study.cells[cell].communication.copiesBetweenNodes = 0.83
      study.cells[cell].communication.copiesInsideNodes = 1.07
    }
    #expect(try Self.report(study).contains("between nodes · inside"))
    #expect(try Self.report(study).contains("0.83 · 1.07"))
    let lines = ComparisonTable(try Comparison(study)).plain.split(separator: "\n")
    #expect(lines[0].hasSuffix("between") && lines[1].hasSuffix("nodes") && lines[3].hasSuffix("0.83"))
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
final class Outline: NSObject, XMLParserDelegate {
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
