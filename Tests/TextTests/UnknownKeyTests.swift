import Foundation
import Testing

@testable import Text

/// An unknown key, at every level of every tokenizer file, is an error or a note that names it.
@Suite struct UnknownKeyTests {
  /// A place in a file where a key may be put: text that stands before it in the sound file.
  struct Level: Sendable, CustomTestStringConvertible {
    let file: String
    let level: String
    let before: String
    var key = "frobnicate"
    var testDescription: String { "\(file) \(level) \(key)" }
  }

  /// Sound files, in which every kind of object occurs.
  static let files = [
    "tokenizer.json": #"""
    {"version": "1.0", "truncation": {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0},
     "padding": {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
      "pad_type_id": 0, "pad_token": "a"},
     "added_tokens": [{"id": 2, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
      "normalized": false, "special": true}],
     "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Prepend", "prepend": "_"},
      {"type": "Replace", "pattern": {"String": "x"}, "content": "y"}]},
     "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true},
      {"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Isolated", "invert": false},
      {"type": "Metaspace", "replacement": "_", "prepend_scheme": "never", "split": false},
      {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]},
     "post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel", "trim_offsets": false},
      {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
       {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
       "special_tokens": {"<s>": {"id": "<s>", "ids": [2], "tokens": ["<s>"]}}}]},
     "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "_"}, "content": " "},
      {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
     "model": {"type": "BPE", "dropout": 0.0, "unk_token": null, "vocab": {"a": 0, "b": 1}, "merges": []}}
    """#,
    "tokenizer_config.json": #"""
    {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": {"__type": "AddedToken", "content": "</s>"},
     "added_tokens_decoder": {"3": {"content": "<x>", "lstrip": true}},
     "extra_special_tokens": [{"__type": "AddedToken", "content": "<y>"}],
     "chat_template": [{"name": "default", "template": "{{ a }}"}]}
    """#,
    "special_tokens_map.json": #"{"eos_token": {"content": "</s>", "lstrip": true}}"#,
  ]

  static let levels: [Level] =
    [
      ("top", #"{"#), ("truncation", #""truncation": {"#), ("padding", #""padding": {"#),
      ("added_tokens", #""added_tokens": [{"#), ("normalizer", #""normalizer": {"#), ("NFC", #""normalizers": [{"#),
      ("Prepend", #"{"type": "NFC"}, {"#), ("Replace", #""prepend": "_"},\#n  {"#),
      ("normalizer pattern", #""pattern": {"#), ("pre_tokenizer", #""pre_tokenizer": {"#),
      ("Digits", #""pretokenizers": [{"#), ("Split", #""individual_digits": true},\#n  {"#),
      ("Metaspace", #""invert": false},\#n  {"#), ("ByteLevel", #""split": false},\#n  {"#),
      ("post_processor", #""post_processor": {"#), ("ByteLevel processor", #""processors": [{"#),
      ("TemplateProcessing", #""trim_offsets": false},\#n  {"#), ("single", #""single": [{"#),
      ("SpecialToken", #"{"SpecialToken": {"#), ("special_tokens", #""special_tokens": {"<s>": {"#),
      ("decoder", #""decoder": {"#), ("decoder Replace", #""decoders": [{"#),
      ("ByteFallback", #""content": " "},\#n  {"#), ("Fuse", #"{"type": "ByteFallback"}, {"#),
      ("Strip", #"{"type": "Fuse"}, {"#), ("model", #""model": {"#),
    ].map { Level(file: "tokenizer.json", level: $0.0, before: $0.1) }
    + [
      ("top", "{"), ("eos_token", #""eos_token": {"#), ("added_tokens_decoder", #""3": {"#),
      ("extra_special_tokens", #""extra_special_tokens": [{"#), ("chat_template", #""chat_template": [{"#),
    ].map { Level(file: "tokenizer_config.json", level: $0.0, before: $0.1) }
    + [("top", "{"), ("eos_token", #""eos_token": {"#)].map {
      Level(file: "special_tokens_map.json", level: $0.0, before: $0.1)
    }
    // Known elsewhere: WordPiece's and Unigram's keys, one of the byte-level steps, one of tokenizer_config.json.
    + [
      Level(file: "tokenizer.json", level: "model", before: #""model": {"#, key: "max_input_chars_per_word"),
      Level(file: "tokenizer.json", level: "model", before: #""model": {"#, key: "byte_level"),
      Level(file: "tokenizer.json", level: "Digits", before: #""pretokenizers": [{"#, key: "use_regex"),
      Level(file: "special_tokens_map.json", level: "top", before: "{", key: "split_special_tokens"),
    ]

  /// What a file with one more key is: what the error or the notes say.
  static func outcome(_ level: Level) throws -> String {
    var files = files
    if level.file == "special_tokens_map.json" { files["tokenizer_config.json"] = "{}" }
    let good = files[level.file] ?? ""
    let place = try #require(good.range(of: level.before), "\(level)")
    files[level.file] = good.replacingCharacters(in: place, with: level.before + "\"\(level.key)\": 3, ")
    do {
      let json = Data((files.removeValue(forKey: "tokenizer.json") ?? "").utf8)
      let sides = TokenizerSides(texts: files, configurationJSON: nil)
      return try Tokenizer(json: json, source: "t", sides: sides).notes.joined(separator: "\n")
    } catch {
      return "\(error)"
    }
  }

  @Test(arguments: levels)
  func isNamed(level: Level) throws {
    let said = try Self.outcome(level)
    // A pattern has one key: with two of them the whole of it is named.
    #expect(said.contains(level.level == "normalizer pattern" ? "pattern" : level.key), "\(said)")
  }

  /// Off is absent.
  @Test(arguments: ["null", "false"])
  func offIsAbsent(value: String) throws {
    let json = (Self.files["tokenizer.json"] ?? "").replacing(#""model": {"#, with: #""model": {"new": \#(value), "#)
    _ = try Tokenizer(json: Data(json.utf8), source: "t")
  }

  /// Every key of `added_tokens.json` is a token: its value alone can be wrong.
  @Test func addedTokens() throws {
    let sides = TokenizerSides(texts: ["added_tokens.json": #"{"frobnicate": "x"}"#], configurationJSON: nil)
    let error = #expect(throws: TokenizerError.self) {
      try Tokenizer(json: Data((Self.files["tokenizer.json"] ?? "").utf8), source: "t", sides: sides)
    }
    #expect(error?.description == "t (added_tokens.json): frobnicate: expected an id below 1048576, found 'x'")
  }
}
