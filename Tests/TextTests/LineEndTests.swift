import Foundation
import TestSupport
import Testing

@testable import Text

/// Line ends of plain files are one, as Python's `open()` reads them; those of JSON strings stay.
@Suite struct LineEndTests {
  @Test(arguments: [
    ("a\r\nb\rc\nd", "a\nb\nc\nd", 2), ("\r\r\n\n", "\n\n\n", 2), ("a\n", "a\n", 0), ("", "", 0), ("\r", "\n", 1),
    ("é\r\n漢", "é\n漢", 1),
  ])
  func areOne(text: String, read: String, replaced: Int) {
    let found = LineEnds.universal(Array(text.utf8))
    #expect(found == (read, replaced))
  }

  @Test func ofPlainFilesAlone() throws {
    let folder = try TemporaryFolder()
    let tokenizer = try Fixtures.base.get()
    let options = DatasetOptions(template: .plain, lossOn: .all, maxTokens: 64, endOfSequence: 0)
    func load(_ name: String, _ text: String) throws -> Dataset {
      let path = try folder.write(name, text)
      return try Dataset.load([DataSource(paths: [path], format: .text)], options: options, tokenizer: tokenizer)
    }
    let (windows, unix) = (try load("a.txt", "One\r\nline.\r\n"), try load("b.txt", "One\nline.\n"))
    #expect(windows.documents.map(\.tokens) == unix.documents.map(\.tokens))
    #expect(windows.report.description.hasSuffix("; 2 line ends \\r\\n or \\r read as \\n"))
    #expect(windows.report.notes.count == 1 && unix.report.notes == [])
    let json = try load("c.jsonl", #"{"text": "One\r\nline."}"#)
    #expect(tokenizer.decode(json.documents[0].tokens) == "One\r\nline.<|endoftext|>")
    #expect(json.report.notes == [])
  }
}
