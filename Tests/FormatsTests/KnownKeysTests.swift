import Testing

@testable import Formats

@Suite struct KnownKeysTests {
  private static let keys = KnownKeys(
    used: ["width"], withoutEffect: ["name"],
    refused: [
      "bias": .init(meaning: "numbers that are added"),
      "scale": .init(meaning: "a factor", off: .integer(1)),
      "causal": .init(meaning: "what a token may look at", off: .bool(true)),
    ], origin: "a test")

  static let cases: [(key: String, value: JSONValue, found: String?)] = [
    ("width", .string("anything"), nil), ("name", .object([]), nil),
    ("bias", .null, nil), ("bias", .bool(false), nil), ("bias", .array([]), nil), ("bias", .object([]), nil),
    ("bias", .bool(true), "true, numbers that are added"),
    ("scale", .integer(1), nil), ("scale", .number(1), nil), ("scale", .bool(false), nil), ("scale", .null, nil),
    ("scale", .number(2.5), "2.5, a factor"), ("scale", .integer(0), "0, a factor"),
    ("causal", .bool(true), nil), ("causal", .null, nil), ("causal", .bool(false), "false, what a token may look at"),
    ("heads", .null, nil), ("heads", .bool(false), nil), ("heads", .integer(0), unknown("0")),
    ("widht", .integer(3), unknown("3") + " (did you mean 'width'?)"),
  ]

  private static func unknown(_ value: String) -> String { "another, \(value), and nothing tells what it changes" }

  @Test(arguments: cases.indices)
  func finds(index: Int) {
    let (key, value, found) = Self.cases[index]
    let problems = Self.keys.problems(in: .object([.init(key: "width", value: .null), .init(key: key, value: value)]))
    #expect(problems.map(\.found) == [found].compactMap(\.self))
    #expect(problems.allSatisfy { $0.key == key && $0.isUnknown == (key == "heads" || key == "widht") })
  }

  @Test func anythingElseHasNoKeys() {
    #expect(Self.keys.problems(in: .array([.object([.init(key: "heads", value: .integer(1))])])).isEmpty)
  }
}
