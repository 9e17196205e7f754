internal import Formats

extension TokenizerSection {
  /// A token that stands alone or in an object with its rules; nil for none.
  func named(
    _ key: String, isSpecial: Bool = false
  ) throws(TokenizerError) -> TokenizerConfiguration.Named? {
    switch value[key] ?? .null {
    case .null: return nil
    case .string(let text): return .text(text)
    case .object: return .token(try section(key).token(isSpecial: isSpecial))
    case let other: throw invalid(key, "a token, or an object with its content", other.kind)
    }
  }

  func namedList(
    _ key: String, isSpecial: Bool = false
  ) throws(TokenizerError) -> [TokenizerConfiguration.Named] {
    guard let list = value[key], list != .null else { return [] }
    guard case .array(let values) = list else { throw invalid(key, "a list of tokens", list.kind) }
    var tokens: [TokenizerConfiguration.Named] = []
    for (number, value) in values.enumerated() {
      switch value {
      case .string(let text): tokens.append(.text(text))
      case .object:
        let place = TokenizerSection(value: value, source: source, path: name("\(key)[\(number)]"))
        tokens.append(.token(try place.token(isSpecial: isSpecial)))
      default: throw invalid("\(key)[\(number)]", "a token", value.kind)
      }
    }
    return tokens
  }

  /// A token with its rules: `content`, `lstrip`, `rstrip`, `single_word`, `normalized`, `special`.
  ///
  /// - Parameter isSpecial: Whether it is special whatever the file says.
  /// - Returns: The token.
  /// - Throws: ``TokenizerError``.
  func token(isSpecial: Bool) throws(TokenizerError) -> AddedToken {
    try allow(["id", "content", "single_word", "lstrip", "rstrip", "normalized", "special", "__type"])
    guard let content = value["content"]?.string, !content.isEmpty else {
      throw invalid("content", "a text", value["content"]?.kind ?? "none")
    }
    if let type = value["__type"], type != .string("AddedToken") {
      throw unsupported("__type", type.kind, "'AddedToken'")
    }
    let special = try bool("special", default: false)
    let isNormalised = value["normalized"] == nil ? nil : try bool("normalized", default: !special)
    return AddedToken(
      content: content,
      rules: AddedTokens.Rules(
        isSingleWord: try bool("single_word", default: false), takesSpaceBefore: try bool("lstrip", default: false),
        takesSpaceBehind: try bool("rstrip", default: false)),
      normalised: isNormalised, isSpecial: isSpecial || special)
  }
}
