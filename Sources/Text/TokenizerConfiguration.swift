internal import Foundation

/// What `tokenizer_config.json` says beyond `tokenizer.json`: the tokens around a text.
struct TokenizerConfiguration {
  /// Token that begins a text.
  var beginning: Int32?
  /// What is put around a text, `nil` if the file leaves it to `tokenizer.json`.
  var surroundings: TokenizerFile.Surroundings?

  /// - Parameters:
  ///   - json: content of the file; `nil` for none.
  ///   - vocabulary: All tokens.
  ///   - source: name of `tokenizer.json`, for messages.
  init(_ json: Data?, vocabulary: [String: Int32], source: String) throws(TokenizerError) {
    guard let json else { return }
    let name = source + " (tokenizer_config.json)"
    let file = TokenizerSection(value: try TokenizerFile.parse(json, source: name), source: name, path: "")
    beginning = try Self.token("bos_token", file, vocabulary)
    let says = ["add_bos_token", "add_eos_token"].contains { file.value[$0]?.bool != nil }
    guard says else { return }
    var result = TokenizerFile.Surroundings()
    // A token that is not there is not put anywhere, as in transformers.
    if try file.bool("add_bos_token", default: false), let beginning { result.prefix = [beginning] }
    if try file.bool("add_eos_token", default: false), let end = try Self.token("eos_token", file, vocabulary) {
      result.suffix = [end]
    }
    surroundings = result
  }

  /// A token by its text, which stands alone or in an object with the token's rules.
  private static func token(
    _ key: String, _ file: TokenizerSection, _ vocabulary: [String: Int32]
  ) throws(TokenizerError) -> Int32? {
    guard let value = file.value[key], value != .null else { return nil }
    guard let piece = value.string ?? value["content"]?.string, let id = vocabulary[piece] else {
      throw file.invalid(key, "a token of the vocabulary", value.string.map { "'\($0)'" } ?? value.kind)
    }
    return id
  }
}
