import Formats
import Testing

@testable import Evaluation
@testable import Text

@Suite struct TemplateTests {
  private func row(_ json: String) throws -> JSONValue {
    var parser = JSONParser(Array(json.utf8))
    return try parser.document()
  }

  /// Template, row, and the value as JSON.
  @Test(arguments: [
    ("a {{x}} b", #"{"x": "y"}"#, #""a y b""#), ("{{x}}", #"{"x": [1, 2]}"#, "[1, 2]"),
    ("{{a.b[1]}}", #"{"a": {"b": ["p", "q"]}}"#, #""q""#),
    ("{{c.*.t}}", #"{"c": [{"t": "p"}, {"t": "q"}]}"#, #"["p", "q"]"#),
    ("{{[x, 'two', 3]}}", #"{"x": "one"}"#, #"["one", "two", 3]"#),
    ("{{n}}/{{b}}", #"{"n": 3, "b": true}"#, #""3/True""#),
    ("{{x | strip}}", #"{"x": "\n y\u00a0"}"#, #""y""#), ("{{x | lstrip}}|", #"{"x": " y "}"#, #""y |""#),
    ("{{x | rstrip}}|", #"{"x": " y "}"#, #"" y|""#), ("{{x | capitalize}}", #"{"x": "éCOLE De"}"#, #""École de""#),
    ("{{x | lower_first}}", #"{"x": "It Was"}"#, #""it Was""#), ("{{x | drop_last}}", #"{"x": "end."}"#, #""end""#),
    ("{{x | before('_')}}", #"{"x": "a_b_c"}"#, #""a""#), ("{{x | after('_')}}", #"{"x": "a_b_c"}"#, #""b_c""#),
    ("{{x | before_last('_')}}", #"{"x": "a_b_c"}"#, #""a_b""#),
    ("{{x | after_last('_')}}", #"{"x": "a_b_c"}"#, #""c""#),
    ("{{x | split(';') | strip | nonempty}}", #"{"x": "a; b;"}"#, #"["a", "b"]"#),
    ("{{x | index(y)}}", #"{"x": ["A", "B"], "y": "B"}"#, "1"), ("{{x | item(1)}}", #"{"x": [5, 6]}"#, "6"),
    ("{{x | concat(['c'])}}", #"{"x": ["a"]}"#, #"["a", "c"]"#), ("{{x | number}}", #"{"x": false}"#, "0"),
    ("{{x | number}}", #"{"x": " 12"}"#, "12"), ("{{x | lettered}}", #"{"x": ["p", "q"]}"#, #""A. p\nB. q""#),
    ("{{x | letters}}", #"{"x": ["p", "q"]}"#, #"["A", "B"]"#),
    ("{{x | unlettered}}", #"{"x": "A. p\nB. q"}"#, #"["p", "q"]"#),
    ("{{Best Answer}} {{asks-for}}", #"{"Best Answer": "x", "asks-for": "y"}"#, #""x y""#),
  ]) func values(template: String, json: String, expected: String) throws {
    #expect(try Template(template).value(try row(json)).text() == expected)
  }

  /// Template, row, and what is expected and found.
  @Test(arguments: [
    ("{{goal}}", #"{"goals": 1, "a": 2}"#, "the field 'goal'", "'goals', 'a'; did you mean 'goals'?"),
    ("{{x | strip}}", #"{"x": 3}"#, "a text for 'strip'", "3"),
    ("{{x | index('C')}}", #"{"x": ["A", "B"]}"#, "one of 'A', 'B'", "'C'"),
    ("{{x | after('Q: ')}}", #"{"x": "A"}"#, "a text with 'Q: ' in it", "'A'"),
    ("{{x[2]}}", #"{"x": ["A"]}"#, "a list with an element 2", "a list of 1"),
    ("{{x.y}}", #"{"x": "A"}"#, "an object with the field 'y'", "'A'"),
    ("- {{x}}", #"{"x": null}"#, "text or a number", "null"),
    ("{{x | number}}", #"{"x": "two"}"#, "a whole number", "'two'"),
  ]) func rowsThatDoNotFit(template: String, json: String, expected: String, found: String) throws {
    let row = try row(json)
    #expect(throws: TemplateError(expected: expected, found: found)) { try Template(template).value(row) }
  }

  @Test(arguments: [
    ("{{x", "'}}' behind each '{{'", "'{{x'"), ("{{x | srtip}}", "a filter", "'srtip'; did you mean 'strip'?"),
    ("{{x | before}}", "1 values for the filter 'before'", "0"), ("{{x y | }}", "a filter", "the end of '{{x y | }}'"),
    ("{{['a'}}", "',' or ']'", "the end of '{{['a'}}'"), ("{{?}}", "a field", "'?' in '{{?}}'"),
    ("{{'a}}", "'", "the end of '{{'a}}'"),
  ]) func brokenTemplates(template: String, expected: String, found: String) {
    #expect(throws: TemplateError(expected: expected, found: found)) { _ = try Template(template) }
  }

  @Test func hashesOfPiecesAreThoseOfTheWhole() {
    let text = String(repeating: "0123456789", count: 40)
    for cuts in [[1], [63, 64], [64, 128], [65, 66, 250], [400]] {
      var (hash, start) = (SHA256(), 0)
      for end in cuts + [text.utf8.count] {
        Array(text.utf8)[start..<end].withUnsafeBytes { hash.update($0) }
        start = end
      }
      #expect(hash.hexadecimal == SHA256.hexadecimal(text), "\(cuts)")
    }
  }

  @Test func hashesAreSHA256() {
    #expect(SHA256.hexadecimal("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(SHA256.hexadecimal("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(
      SHA256.hexadecimal(String(repeating: "a", count: 119))
        == "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb")
  }

  /// `json.dumps` of Python on the same value.
  @Test func jsonIsPythons() throws {
    let value = try row(#"{"a": [1, 2.5, {}], "b": {"c": "é\n\"\u0001"}, "d": [], "e": null, "f": true, "g": 1e-05}"#)
    #expect(
      value.text()
        == #"{"a": [1, 2.5, {}], "b": {"c": "é\n\"\u0001"}, "d": [], "e": null, "f": true, "g": 1e-05}"#)
    #expect(try row(#"{"a": [1], "b": {}}"#).text(indent: 2) == "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}")
  }

  /// Brackets close up; those that nothing closes stay, and are not searched from each of them to the end.
  @Test func wikitextWithoutAnEnd() {
    #expect(HarnessText.wikitext("a ( b ) ( c ) ( d") == "a (b) (c) ( d")
    #expect(HarnessText.wikitext("[ a ] { b [ c") == "[a] { b [ c")
    let open = String(repeating: "[ ", count: 100_000)
    #expect(HarnessText.wikitext("( a )" + open) == "(a)" + open)
  }
}
