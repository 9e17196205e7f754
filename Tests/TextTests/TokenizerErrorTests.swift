import Foundation
import Testing

@testable import Text

/// Damage to a good file, and the exact message.
@Suite struct TokenizerErrorTests {
  static let cases: [(from: String, to: String, message: String)] = [
    (
      #""normalizer":null"#, #""normalizer":{"type":"Lowercase"}"#,
      "t.json: normalizer.type: 'Lowercase' is not supported; expected NFC or null"
    ),
    (
      #""pre_tokenizer":{"type":"ByteLevel""#, #""pre_tokenizer":{"type":"Metaspace""#,
      "t.json: pre_tokenizer.type: 'Metaspace' is not supported; expected ByteLevel"
    ),
    (
      #""pre_tokenizer":{"type":"ByteLevel""#,
      #""pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\d"}}]"#,
      #"t.json: pre_tokenizer.type: a Split by the pattern \d is not supported; expected ByteLevel with its own pattern"#
    ),
    (
      #""add_prefix_space":false,"trim_offsets":true,"use_regex":true"#,
      #""add_prefix_space":true,"trim_offsets":true,"use_regex":true"#,
      "t.json: pre_tokenizer.add_prefix_space: true is not supported; expected false"
    ),
    (
      #""byte_fallback":false"#, #""byte_fallback":true"#,
      "t.json: model.byte_fallback: true is not supported; expected false"
    ),
    (
      #""ignore_merges":false"#, #""ignore_merges":true"#,
      "t.json: model.ignore_merges: true is not supported; expected false"
    ),
    (#""dropout":null"#, #""dropout":0.1"#, "t.json: model.dropout: the number 0.1 is not supported; expected null"),
    (
      #""end_of_word_suffix":null"#, #""end_of_word_suffix":"</w>""#,
      "t.json: model.end_of_word_suffix: '</w>' is not supported; expected null"
    ),
    (#""type":"BPE""#, #""type":"WordPiece""#, "t.json: model.type: 'WordPiece' is not supported; expected BPE"),
    (
      #""truncation":null"#, #""truncation":{"max_length":8}"#,
      "t.json: truncation: an object is not supported; expected null"
    ),
    (
      #""lstrip":false"#, #""lstrip":true"#,
      "t.json: added_tokens[0].lstrip: true is not supported; expected false"
    ),
    (
      #""version":"1.0""#, #""version":"1.0","extra":1"#,
      "t.json: extra: this key is not supported; expected one of added_tokens, decoder, model, normalizer, padding, "
        + "post_processor, pre_tokenizer, truncation, version"
    ),
    (
      #""post_processor":{"type":"ByteLevel""#,
      #""post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}}]"#,
      "t.json: post_processor.single: a template that puts tokens around the text is not supported; expected the "
        + "sequence alone"
    ),
    (
      #"{"id":0,"content":"<|endoftext|>""#, #"{"id":7,"content":"<|endoftext|>""#,
      "t.json: added_tokens: expected '<|endoftext|>' to have its id in the vocabulary, 0, found 7"
    ),
    (
      #"["Ġ","t"]"#, #"["Ġ","nowhere"]"#,
      "t.json: model.merges[0]: expected tokens of the vocabulary, found 'Ġ' + 'nowhere'"
    ),
    (
      #"["Ġ","t"]"#, #""Ġ t x""#,
      "t.json: model.merges[0]: expected two tokens, as \"a b\" or [\"a\", \"b\"], found 'Ġ t x'"
    ),
    (
      #""vocab":{"#, #""vocab":{"x9":-3,"#,
      "t.json: model.vocab['x9']: expected an id below 1048576, found the number -3"
    ),
    (
      #""decoder":{"type":"ByteLevel""#, #""decoder":{"kind":"ByteLevel""#,
      "t.json: decoder.type: expected this key, found none; try the tokenizer.json that Hugging Face tokenizers writes"
    ),
    (
      #"{"version""#, #"{version"#,
      "t.json:1:2: expected tokenizer.json of Hugging Face tokenizers, found 'v' in place of a key"
    ),
  ]

  @Test(arguments: cases.indices)
  func names(index: Int) throws {
    let (from, to, message) = Self.cases[index]
    let good = String(decoding: try Fixtures.data("base.tokenizer.json"), as: UTF8.self)
    let place = try #require(good.range(of: from))
    let bad = good.replacingCharacters(in: place, with: to)
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(json: Data(bad.utf8), source: "t.json") }
    #expect(error?.description == message)
  }

  @Test func aByteWithoutToken() throws {
    let good = String(decoding: try Fixtures.data("base.tokenizer.json"), as: UTF8.self)
    let bad = good.replacingOccurrences(of: #""~":"#, with: #""~~~":"#)
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(json: Data(bad.utf8), source: "t.json") }
    #expect(
      error?.description == "t.json: model.vocab: expected a token for every byte, found none for byte 126, '~'")
  }

  @Test(arguments: [0, 1, 100, 5000, 104_000])
  func truncatedFile(count: Int) throws {
    let bytes = try Fixtures.data("base.tokenizer.json").prefix(count)
    #expect(throws: TokenizerError.self) { try Tokenizer(json: Data(bytes), source: "t.json") }
  }
}
