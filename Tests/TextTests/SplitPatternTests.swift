import Testing

@testable import Text

@Suite struct SplitPatternTests {
  private func parts(_ pattern: String, _ text: String) throws -> [String] {
    let bytes = Array(text.utf8)
    var scratch = SplitPattern.Scratch()
    var parts: [String] = []
    try SplitPatternParser.parse(pattern).split(bytes, 0..<bytes.count, &scratch) { (range, isMatch) in
      parts.append((isMatch ? "" : "-") + String(decoding: bytes[range], as: UTF8.self))
    }
    return parts
  }

  /// As Oniguruma answers through `pre_tokenizers.Split` of tokenizers 0.23.3; `-` marks what does not match.
  static let cases: [(pattern: String, text: String, parts: [String])] = [
    (#"a|ab"#, "ab", ["a", "-b"]), (#"(?:a|ab)c"#, "abcac", ["abc", "ac"]),
    (#"\s+$"#, "a  \nb ", ["-a", "  ", "-\nb", " "]),
    (#"\n$"#, "a\n\n", ["-a", "\n", "\n"]), (#"x{1,3}"#, "axxxxxb", ["-a", "xxx", "xx", "-b"]),
    (#"x{2}y"#, "xxxy", ["-x", "xxy"]), (#"x{2,}"#, "x.xxx", ["-x.", "xxx"]), (#"a+ab"#, "aaab", ["aaab"]),
    (#"a++ab"#, "aaab", ["-aaab"]), (#"a*+b"#, "aab", ["aab"]), (#"a?+ab"#, "ab", ["-ab"]),
    (#"(a|b)?c"#, "cbc", ["c", "bc"]), (#"(?i:'s|'k)"#, "'ſ'K'\u{212A}'x", ["'ſ", "'K", "'\u{212A}", "-'x"]),
    (#"[^\s\p{L}]+"#, "a1 .b", ["-a", "1", "- ", ".", "-b"]), (#"[a\-z\]]+"#, "a-b]z", ["a-", "-b", "]z"]),
    (#"[a-]+"#, "-a.", ["-a", "-."]), (#"\P{L}+"#, "a12", ["-a", "12"]),
    (#"\D"#, "1x", ["-1", "x"]),
    (#"."#, "a\nb", ["a", "-\n", "b"]), (#"\d+(?=x)"#, "12x3", ["12", "-x3"]),
    (#"\s+(?!\S)"#, "a  b ", ["-a", " ", "- b", " "]),
    (#"a(?!b)"#, "abac", ["-ab", "a", "-c"]), (#"[一-龥]+"#, "a中文b", ["-a", "中文", "-b"]),
    (#"\p{Lu}\p{Ll}*"#, "ÉtéX", ["Été", "X"]),
  ]

  @Test(arguments: cases.indices)
  func matches(index: Int) throws {
    let (pattern, text, expected) = Self.cases[index]
    let found = try parts(pattern, text)
    #expect(found == expected)
    #expect(found.joined().unicodeScalars.count >= text.unicodeScalars.count)
  }

  static let refused: [(pattern: String, feature: String)] = [
    ("", "a pattern that matches the empty text"), ("a*", "a pattern that matches the empty text"),
    ("a|b?", "a pattern that matches the empty text"), ("(?=a)", "a pattern that matches the empty text"),
    ("^a", "'^'"), (#"a\b"#, #"'\b'"#), (#"\w"#, #"'\w'"#), (#"(a)\1"#, #"'\1'"#), ("(?<=a)b", "'(?<='"),
    ("(?<n>a)", "'(?<n'"),
    ("(?>a)", "'(?>a'"), ("(?m:a)", "'(?m:'"), ("(?!ab)c", "a look ahead at more than one character"),
    ("(?!a|b)c", "a look ahead at more than one character"),
    ("a+?", "'?' after a quantifier"), ("a{2}?", "'?' after a quantifier"), ("a{2}+", "'+' after a quantifier"),
    ("a**", "'*' after a quantifier"),
    ("(ab)*", "'*' after a group"), ("(ab)+", "'+' after a group"), ("(ab)??", "'?' after a group"),
    ("*a", "'*' with nothing before it"),
    ("a{,2}", "'{' that is not {n}, {n,} or {n,m}"), ("a{3,2}", "'{' that is not {n}, {n,} or {n,m}"),
    ("a{0}b", "'{' that is not {n}, {n,} or {n,m}"),
    ("[]a]", "']' inside of a class"),
    ("[]", "']' inside of a class"), ("[a-c&&b]", "'&' inside of a class"), ("[[:alpha:]]", "'[' inside of a class"),
    ("[a", "'[' without ']'"),
    ("[z-a]", "a range that is not from one character to a later one"),
    (#"[a-\s]"#, "a range that is not from one character to a later one"), (#"\p{Han}"#, #"'\p{Han}'"#),
    (#"\pL"#, #"'\p' without '{'"#), (#"a\"#, #"'\' at the end"#),
    ("(a", "'(' without ')'"), ("a)", "')' without '('"), ("(?i:ß)", "'ß' in (?i:…)"),
    ("(?i:[a])", "a class in (?i:…)"), ("(?i:ss)", "'ss' in (?i:…)"),
    (#"(?i:\s)"#, #"'\' in (?i:…)"#), (String(repeating: "(", count: 30), "more than 20 nested groups"),
    (
      String(String.UnicodeScalarView((0..<33).compactMap { Unicode.Scalar(0x4E00 + $0) })),
      "a pattern with more than 32 classes of characters"
    ),
  ]

  @Test(arguments: refused.indices)
  func refuses(index: Int) {
    let (pattern, feature) = Self.refused[index]
    #expect(throws: SplitPatternError(feature: feature)) { try SplitPatternParser.parse(pattern) }
  }

  /// Quadratic time would take minutes.
  @Test(arguments: [#"\s+$"#, #"\s*[\r\n]+"#, #"\p{L}+\d"#, #"\s?\p{L}+\s*\d|\s+x"#])
  func takesTimeInProportion(pattern: String) throws {
    let spaces = String(repeating: " ", count: 400_000) + "."
    #expect(try parts(pattern, spaces) == ["-" + spaces])
    let letters = String(repeating: "é", count: 400_000) + "."
    #expect(try parts(pattern, letters) == ["-" + letters])
  }

  @Test func sets() {
    let set = ScalarSet([5...9, 1...2, 3...3, 8...12])
    #expect(set.ranges == [1...3, 5...12])
    #expect(set.inverted.ranges == [0...0, 4...4, 13...0x10FFFF] && set.inverted.inverted == set)
    #expect([0, 1, 4, 5, 12, 13].map(set.contains) == [false, true, false, true, true, false])
    let table = ScalarTable([set, ScalarSet(category: "L") ?? set, .spaces])
    for scalar in [0, 1, 0x20, 0x41, 0xE9, 0x2028, 0x4E2D, 0x10FFFF] as [UInt32] {
      let isLetter = (ScalarSet(category: "L") ?? set).contains(scalar)
      let mask = (set.contains(scalar) ? 1 : 0) | (isLetter ? 2 : 0) | (ScalarSet.spaces.contains(scalar) ? 4 : 0)
      #expect(table[scalar] == UInt32(mask), "\(scalar)")
    }
  }
}
