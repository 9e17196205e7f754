internal import Foundation

/// What the files beside `tokenizer.json` decide.
extension Tokenizer {
  /// The class of transformers that reads the files.
  static func kind(
    _ json: Data, _ configuration: TokenizerConfiguration, _ sides: TokenizerSides, source: String, isMade: Bool
  ) throws(TokenizerError) -> TokenizerClass {
    let isByteLevel = json.range(of: Data(#""ByteLevel""#.utf8)) != nil
    if let kind = TokenizerClass.resolve(configured: configuration.className, sides, isByteLevel: isByteLevel) {
      if !isMade || kind == .file || kind == .llama { return kind }
      throw .unsupported(
        source: source, key: "tokenizer_class", feature: "'\(kind.rawValue)', which does not read this file,",
        supported: "\(TokenizerClass.file.rawValue), \(TokenizerClass.llama.rawValue), or a tokenizer.json beside it")
    }
    throw .unsupported(
      source: source, key: "tokenizer_class",
      feature: "'\(configuration.className ?? sides.modelTokenizerClass ?? "")', which builds steps of its own,",
      supported: TokenizerClass.allCases.map(\.rawValue).joined(separator: ", "))
  }

  /// What stands around a text.
  static func surroundings(
    _ file: TokenizerFile, _ configuration: TokenizerConfiguration, _ names: [String: String], _ added: AddedVocabulary,
    source: String, isMade: Bool
  ) throws(TokenizerError) -> TokenizerFile.Surroundings {
    guard isMade else { return file.surroundings }
    let adds = configuration.adds ?? (false, false)
    func ids(_ key: String, _ isWanted: Bool) -> [Int32] {
      isWanted ? names[key].flatMap(added.id).map { [$0] } ?? [] : []
    }
    return .init(prefix: ids("bos_token", adds.beginning), suffix: ids("eos_token", adds.end))
  }

  /// What the class builds for itself.
  static func remarks(_ kind: TokenizerClass, _ differs: [String], source: String) -> [String] {
    if differs.isEmpty { return [] }
    return [
      "\(source): \(differs.joined(separator: ", ")): not used; transformers builds a \(kind.rawValue) of the vocabulary and "
        + "merges alone, and so does this version"
    ]
  }

  /// What differs from what the files seem to say.
  static func notes(
    _ file: TokenizerFile, _ configuration: TokenizerConfiguration, _ kind: TokenizerClass, _ added: AddedVocabulary,
    _ surroundings: TokenizerFile.Surroundings, source: String, isMade: Bool
  ) -> [String] {
    var notes: [String] = []
    if !isMade, let adds = configuration.adds {
      for (key, isWanted, tokens) in [
        ("add_bos_token", adds.beginning, surroundings.prefix), ("add_eos_token", adds.end, surroundings.suffix),
      ] where isWanted && tokens.isEmpty {
        notes.append(
          "\(source) (tokenizer_config.json): \(key): true, without effect beside tokenizer.json, as in transformers 5: its "
            + "post_processor puts nothing there")
      }
    }
    if isMade, configuration.adds == nil {
      notes.append(
        "\(source): no token is put before a text, as in transformers 5, since tokenizer_config.json has no add_bos_token "
          + "(transformers 4 put one there)")
    }
    if kind == .file, configuration.addPrefixSpace == true {
      notes.append(
        "\(source) (tokenizer_config.json): add_prefix_space: without effect, as in transformers 5: the pre_tokenizer of "
          + "tokenizer.json decides")
    }
    for (id, token) in file.addedTokens {
      guard let given = added.id(of: token.content), given != id else { continue }
      notes.append(
        "\(source): added_tokens: '\(token.content)' has the id \(given), as tokenizers counts, not \(id) as the file says"
      )
    }
    return notes
  }
}
