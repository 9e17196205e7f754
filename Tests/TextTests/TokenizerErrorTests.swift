import Foundation
import Testing

@testable import Text

/// Damage to a good file, and the exact message.
@Suite struct TokenizerErrorTests {
  private static let bytes =
    #""pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#
  private static let post =
    #""post_processor":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true}"#

  static let cases: [(from: String, to: String, message: String)] = [
    (
      #""normalizer":null"#, #""normalizer":{"type":"Lowercase"}"#,
      "t.json: normalizer.type: 'Lowercase' is not supported; expected NFC, Prepend, Replace, Sequence or null"
    ),
    (
      #""normalizer":null"#,
      #""normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Replace","pattern":{"Regex":" +"},"content":""}]}"#,
      "t.json: normalizer.normalizers[1].pattern: Regex ' +' is not supported; expected a String that is not empty"
    ),
    (
      #""pre_tokenizer":{"type":"ByteLevel""#, #""pre_tokenizer":{"type":"UnicodeScripts""#,
      "t.json: pre_tokenizer.type: 'UnicodeScripts' is not supported; expected ByteLevel, Split, Digits, Metaspace, "
        + "Sequence or null"
    ),
    (
      bytes, #""pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?<=a)b"},"behavior":"Isolated"}"#,
      "t.json: pre_tokenizer.pattern: '(?<=' in the pattern (?<=a)b is not supported; expected alternatives of classes, "
        + "ranges, \\p{…}, ?, *, +, {n,m}, (?i:…), a look ahead at one character"
    ),
    (
      bytes, #""pre_tokenizer":{"type":"Split","pattern":{"String":""},"behavior":"Isolated"}"#,
      "t.json: pre_tokenizer.pattern: the String '' is not supported; expected 1 to 32 different characters"
    ),
    (
      bytes, #""pre_tokenizer":{"type":"Split","pattern":{"Regex":"a"},"behavior":"Merged"}"#,
      "t.json: pre_tokenizer.behavior: 'Merged' is not supported; expected Isolated or Removed or MergedWithPrevious or "
        + "MergedWithNext or Contiguous"
    ),
    (
      bytes, #""pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]}"#,
      "t.json: pre_tokenizer.pretokenizers[1].type: 'Digits' after ByteLevel is not supported; expected ByteLevel at the "
        + "end"
    ),
    (
      bytes, #""pre_tokenizer":{"type":"Metaspace","replacement":"▁","add_prefix_space":false}"#,
      "t.json: pre_tokenizer.add_prefix_space: expected the same as prepend_scheme, always, found false"
    ),
    (
      bytes, #""pre_tokenizer":{"type":"Metaspace","replacement":"__"}"#,
      "t.json: pre_tokenizer.replacement: expected one character, found '__'"
    ),
    (
      #""decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}"#,
      #""decoder":{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"WordPiece"}]}"#,
      "t.json: decoder.decoders[1].type: 'WordPiece' is not supported; expected ByteLevel, Replace, ByteFallback, Fuse, "
        + "Strip, Metaspace or Sequence"
    ),
    (
      #""decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}"#,
      #""decoder":{"type":"Strip","content":" ","start":-1,"stop":0}"#,
      "t.json: decoder.start: expected a number from 0 to 1000, found -1"
    ),
    (
      #""unk_token":null"#, #""unk_token":"<unk>""#,
      "t.json: model.unk_token: expected a token of the vocabulary, found '<unk>'"
    ),
    (#""dropout":null"#, #""dropout":0.1"#, "t.json: model.dropout: 0.1 is not supported; expected null"),
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
      #""lstrip":false"#, #""lstrip":1"#,
      "t.json: added_tokens[0].lstrip: expected true or false, found 1"
    ),
    (
      #""version":"1.0""#, #""version":"1.0","extra":1"#,
      "t.json: extra: this key is not supported; expected one of added_tokens, decoder, model, normalizer, padding, "
        + "post_processor, pre_tokenizer, truncation, version"
    ),
    (
      post, #""post_processor":{"type":"RobertaProcessing"}"#,
      "t.json: post_processor.type: 'RobertaProcessing' is not supported; expected ByteLevel, TemplateProcessing, "
        + "Sequence or null"
    ),
    (
      post, #""post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{}},{"Sequence":{}}]}"#,
      "t.json: post_processor.single[1].Sequence: a template with the text twice is not supported; expected the text once"
    ),
    (
      post,
      #""post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"a"}}],"special_tokens":{"b":{}}}"#,
      "t.json: post_processor.special_tokens.a: expected the ids of the token, found none"
    ),
    (
      post,
      #""post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"a"}},{"Sequence":{}}],"special_tokens":{"a":{"ids":[9999]}}}"#,
      "t.json: post_processor: expected tokens of the vocabulary, found the id 9999"
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
      "t.json: model.vocab['x9']: expected an id below 1048576, found -3"
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
