import Testing

@testable import Formats

@Suite struct JSONTests {
  private func parse(_ text: String) throws(JSONError) -> JSONValue {
    var parser = JSONParser(Array(text.utf8))
    return try parser.document()
  }

  @Test func reads() throws {
    #expect(
      try parse(#" {"a": [1, -2, 0.5, 1e3, -0], "b": {"c": null}, "d": true, "e": false} "#)
        == .object([
          .init(key: "a", value: .array([.integer(1), .integer(-2), .number(0.5), .number(1000), .integer(0)])),
          .init(key: "b", value: .object([.init(key: "c", value: .null)])), .init(key: "d", value: .bool(true)),
          .init(key: "e", value: .bool(false)),
        ]))
    // Composed and decomposed letters are two keys, as vocabularies have them.
    #expect(
      try parse("{\"\u{E9}\": 1, \"e\u{301}\": 2}")
        == .object([
          .init(key: "\u{E9}", value: .integer(1)), .init(key: "e\u{301}", value: .integer(2)),
        ]))
    #expect(
      try parse(#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 é😀""#) == .string("\"\\/\u{8}\u{C}\n\r\té😀 é😀"))
    #expect(try parse("10000000000000000000") == .number(1e19))
  }

  static let broken: [(text: String, line: Int, column: Int, reason: String)] = [
    ("", 1, 1, "the end of the text"), ("{", 1, 2, "the end of the text in place of a key"),
    ("{\"a\":1,}", 1, 8, "'}' in place of a key"), ("[1,\n 2,\n]", 3, 1, "']' in place of a value"),
    ("{\"a\" 1}", 1, 6, "'1' in place of ':'"), ("[1 2]", 1, 4, "'2' in place of ',' or ']'"),
    ("\"abc", 1, 5, "the end of the text inside a string"), ("\"a\nb\"", 1, 3, "byte 0xA inside a string"),
    ("\"\\x\"", 1, 3, "'x' after a backslash"), ("\"\\ud800\"", 1, 8, "half a surrogate pair"),
    ("\"\\u12g4\"", 1, 4, "an escape that is not hexadecimal"), ("01", 1, 3, "a malformed number"),
    ("1.", 1, 3, "a malformed number"), ("-", 1, 2, "a malformed number"), ("1e", 1, 3, "a malformed number"),
    ("1e999", 1, 6, "a number out of range"), ("nul", 1, 1, "'n' in place of a value"),
    ("NaN", 1, 1, "'N' in place of a value"), ("1 2", 1, 3, "'2' after the end of the value"),
    (String(repeating: "[", count: 300), 1, 201, "more than 200 nested values"),
    (#"{"a": 1, "b": {"a": 2}, "a": 1}"#, 1, 25, "the key 'a' a second time"),
    ("{" + (0..<20).map { "\"\($0)\": 0, " }.joined() + "\"7\": 0}", 1, 172, "the key '7' a second time"),
  ]

  @Test(arguments: broken.indices)
  func refuses(index: Int) {
    let (text, line, column, reason) = Self.broken[index]
    let error = #expect(throws: JSONError.self) { try parse(text) }
    #expect(error?.line == line && error?.column == column && error?.reason == reason)
  }
}
