internal import Formats

extension TokenizerConfiguration {
  /// The tokens that are added to a backend, in their order, and what the names stand for.
  ///
  /// - Parameters:
  ///   - backend: What the class has of the tokens of `tokenizer.json`.
  ///   - file: All added tokens of `tokenizer.json`, with the ids that stand there.
  ///   - kind: The class.
  ///   - defaults: Named tokens where the configuration says nothing.
  ///   - padding: The token of a stored `padding`.
  /// - Returns: The tokens, and the contents of named ones by name.
  func additions(
    to backend: AddedVocabulary, file: [(id: Int32, token: AddedToken)], _ kind: TokenizerClass,
    defaults: [(name: String, content: String)], padding: String?
  ) -> (tokens: [AddedToken], names: [String: String]) {
    // Later tokens of one id take the place of earlier ones.
    var byID: [Int32: AddedToken] = [:]
    var byContent: [ExactText: AddedToken] = [:]
    for (id, token) in decoder ?? (legacy + file) {
      byID[id] = token
      byContent[ExactText(token.content)] = token
    }
    var names: [(name: String, token: Named)] = []
    for name in Self.names {
      var token: Named?
      if let own = named[name] {
        token = own
      } else if let content = defaults.first(where: { $0.name == name })?.content {
        token = .text(content)
      } else if name == "pad_token", kind != .gpt2, let padding {
        token = .text(padding)
      }
      guard let token else { continue }
      names.append((name, named[name] == nil ? token : byContent[ExactText(token.content)].map(Named.token) ?? token))
    }
    for (name, token) in specific {
      names.removeAll { $0.name == name }
      names.append((name, token))
    }

    var new = byID.sorted { $0.key < $1.key }.map { Named.token($0.value) }
    let known = Set(backend.tokens.values.map { ExactText($0.content) } + new.map { ExactText($0.content) })
    for token in names.map(\.token) + extra where !known.contains(ExactText(token.content)) && !new.contains(token) {
      new.append(token)
    }
    let special = Set(names.filter { !$0.token.content.isEmpty }.map { ExactText($0.token.content) })
    var tokens = new.map { (named) -> AddedToken in
      switch named {
      case .text(let content): return AddedToken(content: content, isSpecial: true)
      case .token(var token):
        if special.contains(ExactText(token.content)) { token.isSpecial = true }
        return token
      }
    }
    if kind == .qwen2 {
      // It adds its special tokens once more, without rules.
      tokens += (names.map(\.token) + extra).map { AddedToken(content: $0.content, isSpecial: true) }
    }
    return (tokens, Dictionary(names.map { ($0.name, $0.token.content) }) { $1 })
  }
}
