import Foundation
import Testing

@testable import Checkpoint

/// Members of a `config.json`, in and out without a trace.
@Suite struct ConfigurationTextTests {
  static let texts = [
    "{\n  \"a\": 1e-05,\n  \"s\": \"x, \\\"y\\\": {\",\n  \"o\": {\"a\": [1, {\"b\": \"}\"}]}\n}\n", "{\"a\":1}",
    "{ \"a\" : [ ] ,\t\"b\":null }",
  ]

  @Test(arguments: texts) func appendedAndRemoved(text: String) {
    var config = ConfigurationText(text)
    config.append("new", "{\n    \"a\": [1, 2]\n  }")
    #expect(config.value(of: "new") == "{\n    \"a\": [1, 2]\n  }")
    #expect((try? JSONSerialization.jsonObject(with: Data(config.text.utf8))) != nil)
    config.remove("new")
    #expect(config.text == text)
    config.remove("nothing")
    #expect(config.text == text)
  }

  @Test func membersAreFoundByNameAtTheTopAlone() {
    var config = ConfigurationText(Self.texts[0])
    #expect(config.value(of: "a") == "1e-05" && config.value(of: "b") == nil)
    #expect(config.value(of: "s") == "\"x, \\\"y\\\": {\"")
    config.replace("\"a\"", with: "\"z\"", in: "o")
    config.remove("a")
    #expect(config.text == "{\n  \"s\": \"x, \\\"y\\\": {\",\n  \"o\": {\"z\": [1, {\"b\": \"}\"}]}\n}\n")
    config.remove("o")
    config.remove("s")
    #expect(config.value(of: "s") == nil && (try? JSONSerialization.jsonObject(with: Data(config.text.utf8))) != nil)
  }
}
