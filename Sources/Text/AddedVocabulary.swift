internal import Formats

/// A token of its own as a file describes it.
struct AddedToken: Hashable, Sendable {
  var content: String
  var rules = AddedTokens.Rules()
  /// Whether it is looked for in normalised text; what is left open is the opposite of ``isSpecial``.
  var normalised: Bool?
  var isSpecial = false

  var isNormalised: Bool { normalised ?? !isSpecial }

  /// The token, with what was left open settled: two that are equal then are one.
  var settled: AddedToken {
    var token = self
    token.normalised = isNormalised
    return token
  }
}

/// Tokens on top of a model's vocabulary, with the ids that `tokenizers` gives them.
///
/// A token that the vocabulary has keeps its id there. Others are counted on from the *number* of tokens in the
/// vocabulary, or from the largest id of an added token if that is not below it: what a file says of their ids is never
/// asked for. In a vocabulary with gaps an id may be taken already, then the added token covers what had it.
///
/// - Source: `AddedVocabulary::add_tokens` of tokenizers 0.23.
struct AddedVocabulary {
  private let model: [ExactText: Int32]
  private let normaliser: Normaliser?
  /// Normalised contents that differ from the contents: what is looked for, and what is decoded. As in the library one
  /// stays where a later token of its id is not normalised, and is decoded still.
  private(set) var spellings: [Int32: String] = [:]
  private(set) var ids: [ExactText: Int32] = [:]
  private(set) var tokens: [Int32: AddedToken] = [:]
  /// Contents of tokens that were special when they were first added: they stay so.
  private(set) var special: Set<ExactText> = []

  init(model: [ExactText: Int32], normaliser: Normaliser?) { (self.model, self.normaliser) = (model, normaliser) }

  func id(of content: String) -> Int32? { ids[ExactText(content)] ?? model[ExactText(content)] }

  /// Adds tokens in their order; one that is there already takes on its new rules.
  mutating func add(_ added: [AddedToken]) {
    let size = Int32(model.count)
    var next = tokens.keys.max().map { $0 >= size ? $0 + 1 : size } ?? size
    for token in added.map(\.settled) where !token.content.isEmpty {
      let content = ExactText(token.content)
      if let id = ids[content], tokens[id] == token { continue }
      let id: Int32
      if let known = self.id(of: token.content) {
        id = known
      } else {
        id = next
        next += 1
      }
      if token.isNormalised, let normaliser {
        let normal = String(decoding: normaliser(Array(token.content.utf8)), as: UTF8.self)
        if ExactText(normal) != content { spellings[id] = normal }
      }
      ids[content] = id
      if token.isSpecial { special.insert(content) }
      tokens[id] = token
    }
  }
}
