import Formats
import Foundation
import Testing

@testable import Text

/// Files beside `tokenizer.json`, against what AutoTokenizer of transformers makes of them.
@Suite struct TokenizerSidesTests {
  /// A case of `sides-golden.json`.
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let json: Data
    let sides: TokenizerSides
    let ids: [[Int32]]
    let decoded: [String]
    let skipped: [String]
    let beginning: Int32?

    var testDescription: String { name }
    func tokenizer() throws -> Tokenizer { try Tokenizer(json: json, source: name, sides: sides) }
  }

  static let golden = Result { try read() }
  static let names = (try? golden.get().cases.map(\.name)) ?? []

  private static func read() throws -> (texts: [String], cases: [Case]) {
    var parser = JSONParser([UInt8](try Fixtures.data("sides-golden.json")))
    let golden = try parser.document()
    func list(_ value: JSONValue?) -> [JSONValue] {
      if case .array(let values)? = value { values } else { [] }
    }
    func members(_ value: JSONValue?) -> [JSONValue.Member] {
      if case .object(let members)? = value { members } else { [] }
    }
    func strings(_ value: JSONValue?) -> [String] { list(value).compactMap(\.string) }
    let cases = list(golden["cases"]).map { (made) -> Case in
      let model = members(golden["models"]?[made["model"]?.string ?? ""])
      let flags = [JSONValue.Member(key: "type", value: .string("BPE"))] + members(made["flags"])
      let file = members(made["tokenizer"]) + [.init(key: "model", value: .object(flags + model))]
      let texts = Dictionary(members(made["files"]).map { ($0.key, $0.value.text()) }) { $1 }
      return Case(
        name: made["name"]?.string ?? "?", json: Data(JSONValue.object(file).text().utf8),
        sides: TokenizerSides(texts: texts, configurationJSON: texts["config.json"]),
        ids: list(made["ids"]).map { list($0).compactMap { $0.integer.map(Int32.init) } },
        decoded: strings(made["decoded"]), skipped: strings(made["skipped"]),
        beginning: made["beginning"]?.integer.map(Int32.init))
    }
    return (strings(golden["texts"]), cases)
  }

  @Test(arguments: names)
  func equalsTransformers(name: String) throws {
    let (texts, cases) = try Self.golden.get()
    let made = try #require(cases.first { $0.name == name })
    let tokenizer = try made.tokenizer()
    #expect(made.ids.count == texts.count && made.decoded.count == texts.count)
    for (number, text) in texts.enumerated() {
      let ids = tokenizer.encode(text, addSpecialTokens: true)
      #expect(ids == made.ids[number], "\(text)")
      #expect(tokenizer.decode(made.ids[number]) == made.decoded[number])
      #expect(tokenizer.decode(made.ids[number], skipSpecial: true) == made.skipped[number])
    }
    // Without a file that names it, what the post-processor puts first is the beginning as well.
    if made.sides.configuration != nil { #expect(tokenizer.beginning == made.beginning) }
  }

  private func made(_ name: String) throws -> Case {
    try #require(try Self.golden.get().cases.first { $0.name == name })
  }

  /// What is accepted and means something else than it seems to is said.
  @Test(arguments: [
    (
      "bos-PreTrainedTokenizerFast",
      [
        "bos-PreTrainedTokenizerFast (tokenizer_config.json): add_bos_token: true, without effect beside tokenizer.json, as "
          + "in transformers 5: its post_processor puts nothing there",
        "bos-PreTrainedTokenizerFast (tokenizer_config.json): add_eos_token: true, without effect beside tokenizer.json, as "
          + "in transformers 5: its post_processor puts nothing there",
      ]
    ),
    (
      "stored",
      [
        "stored: truncation: stored with the tokenizer, without effect here",
        "stored: padding: stored with the tokenizer, without effect here",
      ]
    ),
    ("gap", ["gap: added_tokens: '<extra>' has the id 267, as tokenizers counts, not 271 as the file says"]),
    (
      "prefix-space",
      [
        "prefix-space (tokenizer_config.json): add_prefix_space: without effect, as in transformers 5: the pre_tokenizer of "
          + "tokenizer.json decides"
      ]
    ),
    ("prefix-space-gpt2", []),
  ])
  func notes(name: String, notes: [String]) throws {
    #expect(try made(name).tokenizer().notes == notes)
  }

  @Test func aClassThatBuildsItsOwnStepsIsNamed() throws {
    #expect(
      try made("letters-LlamaTokenizer").tokenizer().remarks == [
        "letters-LlamaTokenizer: normalizer, pre_tokenizer, model.unk_token: not used; transformers builds a LlamaTokenizer "
          + "of the vocabulary and merges alone, and so does this version"
      ])
    #expect(try made("bos-GPT2Tokenizer").tokenizer().remarks == [])
  }

  private func error(_ configuration: String, _ other: [String: String] = [:]) throws -> TokenizerError? {
    var texts = other
    texts["tokenizer_config.json"] = configuration
    return #expect(throws: TokenizerError.self) {
      try Tokenizer(
        json: Fixtures.data("base.tokenizer.json"), source: "t.json",
        sides: TokenizerSides(texts: texts, configurationJSON: nil))
    }
  }

  @Test(arguments: [
    (
      #"{"tokenizer_class": "GemmaTokenizerFast"}"#,
      "t.json: tokenizer_class: 'GemmaTokenizerFast', which builds steps of its own, is not supported; expected "
        + "TokenizersBackend, GPTNeoXTokenizer, GPT2Tokenizer, Qwen2Tokenizer, LlamaTokenizer"
    ),
    (
      #"{"vocab": {"a": 1}}"#,
      "t.json (tokenizer_config.json): vocab: an object, which takes the place of the vocabulary of tokenizer.json, is not "
        + "supported; expected no such key"
    ),
    (
      #"{"added_tokens_decoder": {"x": {"content": "a"}}}"#,
      "t.json (tokenizer_config.json): added_tokens_decoder.x: expected an id below 1048576, found none"
    ),
    (
      #"{"eos_token": 3}"#,
      "t.json (tokenizer_config.json): eos_token: expected a token, or an object with its content, found 3"
    ),
    (
      #"{"eos_token": "a", "eos_token": "b"}"#,
      "t.json (tokenizer_config.json):1:20: expected tokenizer.json of Hugging Face tokenizers, found the key 'eos_token' a second time"
    ),
    (
      #"{"chat_template": [{"name": "x", "template": 3}]}"#,
      "t.json (tokenizer_config.json): chat_template[0].template: expected a text, found 3"
    ),
  ])
  func refusesByName(configuration: String, message: String) throws {
    #expect(try error(configuration)?.description == message)
  }

  /// Where chat templates stand, in the order in which transformers prefers them.
  @Test func chatTemplatesAreSeen() throws {
    func place(_ configuration: String, _ files: [String: String] = [:]) throws -> String? {
      var texts = files
      texts["tokenizer_config.json"] = configuration
      return try Tokenizer(
        json: Fixtures.data("base.tokenizer.json"), source: "t.json",
        sides: TokenizerSides(texts: texts, configurationJSON: nil)
      ).chatTemplate
    }
    #expect(try place("{}") == nil)
    #expect(try place(#"{"chat_template": "{{ x }}"}"#) == "chat_template of tokenizer_config.json")
    #expect(
      try place(#"{"chat_template": [{"name": "default", "template": "a"}, {"name": "tools", "template": "b"}]}"#)
        == "chat_template ('default', 'tools') of tokenizer_config.json")
    #expect(
      try place(#"{"chat_template": "{{ x }}"}"#, ["chat_template.jinja": "{{ y }}"]) == "chat_template.jinja")
  }
}
