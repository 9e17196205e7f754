import Formats
import Testing

@testable import Text

@Suite struct PrintableTests {
  @Test(arguments: [
    ("plain über 你好 🦊👩‍👩‍👧\n\t", "plain über 你好 🦊👩‍👩‍👧\n\t"),
    ("\u{1B}[31mred\u{1B}]0;title\u{7}", "\\u{1b}[31mred\\u{1b}]0;title\\u{7}"),
    ("a\rb\u{0}c\u{7F}", "a\\u{d}b\\u{0}c\\u{7f}"),
    ("\u{9B}31m\u{85}", "\\u{9b}31m\\u{85}"),
    ("user\u{202E}gpj.exe\u{2066}x\u{2069}", "user\\u{202e}gpj.exe\\u{2066}x\\u{2069}"),
  ])
  func whatSteersIsSpelledOut(text: String, expected: String) {
    #expect(Printable.text(text) == expected)
  }

  @Test func jsonStaysJSON() throws {
    let text = "a\u{9B}\u{202E}\u{7F}é"
    let json = Printable.json("[\"\(text)\"]")
    #expect(json == "[\"a\\u009b\\u202e\\u007fé\"]")
    var parser = JSONParser(Array(json.utf8))
    #expect(try parser.document() == .array([.string(text)]))
  }
}
