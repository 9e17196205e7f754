import Foundation
import Testing

@testable import Text

/// Tables against Python's `csv` (Oracles/make_csv_golden.py).
@Suite struct DelimitedTextTests {
  struct Case: Decodable {
    let text: String
    let tabs: Bool
    let records: [[String]]?
  }

  private func read(_ text: String, tabs: Bool? = nil) -> [DelimitedText.Record]? {
    try? DelimitedText.records(Array(text.utf8), isTabs: tabs)
  }

  @Test func recordsAreThoseOfPython() throws {
    let url = Fixtures.oracles.appendingPathComponent("csv-golden.json")
    let cases = try JSONDecoder().decode([Case].self, from: try Data(contentsOf: url))
    #expect(cases.count > 350 && cases.contains { $0.records == nil })
    for example in cases {
      let found = read(example.text, tabs: example.tabs)?.map { $0.cells.map { Array($0.unicodeScalars) } }
      #expect(found == example.records?.map { $0.map { Array($0.unicodeScalars) } }, "\(example.text.debugDescription)")
    }
  }

  /// Lines are counted inside of quotes as well, and each of the three line ends is one.
  @Test func linesAreCounted() {
    #expect(read("a,b\n\"x\r\ny\rz\",1\r\n\n\"\",2\r3,4")?.map(\.line) == [1, 2, 6, 7])
    #expect(throws: DelimitedText.OpenQuote(line: 3)) { try DelimitedText.records(Array("a\nb\n\"c\nd\ne".utf8)) }
  }

  /// A tab in a cell does not make a table of tabs.
  @Test func tabsAreToldFromTheFirstRecord() {
    #expect(read("a\tb\n\"c\"\td\n")?.map(\.cells) == [["a", "b"], ["\"c\"", "d"]])
    #expect(read("\"a\tb\",c\nd,e\n")?.map(\.cells) == [["a\tb", "c"], ["d", "e"]])
  }
}
