internal import Formats
internal import Foundation

/// What `tokenizer_config.json` says beyond `tokenizer.json`: the tokens around a text.
struct TokenizerConfiguration {
  /// Token that begins a text.
  var beginning: Int32?
  /// What is put around a text, `nil` if the file leaves it to `tokenizer.json`.
  var surroundings: TokenizerFile.Surroundings?

  /// Reads the content of the file, which may be missing; `source` is the name of `tokenizer.json`, for messages.
  init(_ json: Data?, vocabulary: [ExactText: Int32], source: String) throws(TokenizerError) {
    guard let json else { return }
    let name = source + " (tokenizer_config.json)"
    let file = TokenizerSection(value: try TokenizerFile.parse(json, source: name), source: name, path: "")
    beginning = Self.token("bos_token", file, vocabulary)
    let says = ["add_bos_token", "add_eos_token"].contains { file.value[$0]?.bool != nil }
    guard says else { return }
    var result = TokenizerFile.Surroundings()
    if try file.bool("add_bos_token", default: false) { result.prefix = try Self.added("bos_token", file, beginning) }
    if try file.bool("add_eos_token", default: false) {
      result.suffix = try Self.added("eos_token", file, Self.token("eos_token", file, vocabulary))
    }
    surroundings = result
  }

  /// Text of a token, which stands alone or in an object with the token's rules.
  private static func piece(_ key: String, _ file: TokenizerSection) -> String? {
    file.value[key]?.string ?? file.value[key]?["content"]?.string
  }

  private static func token(
    _ key: String, _ file: TokenizerSection, _ vocabulary: [ExactText: Int32]
  ) -> Int32? {
    piece(key, file).flatMap { vocabulary[ExactText($0)] }
  }

  /// A token that is put around a text: none where none is named, as in transformers.
  private static func added(
    _ key: String, _ file: TokenizerSection, _ id: Int32?
  ) throws(TokenizerError) -> [Int32] {
    guard let piece = piece(key, file) else { return [] }
    guard let id else { throw file.invalid(key, "a token of the vocabulary", "'\(piece)'") }
    return [id]
  }
}
