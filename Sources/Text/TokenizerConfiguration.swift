internal import Formats
internal import Foundation

/// What the files beside a `tokenizer.json` say: named tokens, further tokens, and how a text is cut.
///
/// - Source: `PreTrainedTokenizerBase._from_pretrained` and `TokenizersBackend.__init__` of transformers 5.24.
struct TokenizerConfiguration {
  /// A token that plays a part: known by its text alone, or with its rules.
  enum Named: Equatable {
    case text(String)
    case token(AddedToken)

    var content: String {
      switch self {
      case .text(let text): text
      case .token(let token): token.content
      }
    }
  }

  /// `tokenizer_class`.
  var className: String?
  var addPrefixSpace: Bool?
  /// `legacy`: whether a space goes before every piece of a text, not before the first alone; nil if it does not say.
  var isLegacy: Bool?
  /// Whether special tokens that are spelled in a text are text.
  var splitsSpecialTokens = false
  /// Which tokens stand around a text, for a tokenizer that has no `tokenizer.json` to say so; nil if it does not say.
  var adds: (beginning: Bool, end: Bool)?
  /// Where a chat template stands, for messages.
  var chatTemplate: String?
  /// What a person should know, each complete.
  var notes: [String] = []

  /// By name; a name without token is there too, and keeps the class's default out.
  private(set) var named: [String: Named?] = [:]
  /// Tokens of names that are not the usual ones, in the order in which they are added: those that stand as objects or
  /// in `special_tokens_map.json`, then those of `tokenizer_config.json`, which count where both have a name.
  var specific: [(name: String, token: Named)] {
    let first = objects.map { (name, token) in (name, explicit.last { $0.name == name }?.token ?? token) }
    return first + explicit.filter { (name, _) in !objects.contains { $0.name == name } }
  }
  private var objects: [(name: String, token: Named)] = []
  private var explicit: [(name: String, token: Named)] = []
  /// Special tokens without a name.
  private(set) var extra: [Named] = []
  /// `added_tokens_decoder`; nil where it is not given, and then older files count.
  private(set) var decoder: [(id: Int32, token: AddedToken)]?
  /// Tokens of `added_tokens.json`.
  private(set) var legacy: [(id: Int32, token: AddedToken)] = []

  /// Names of special tokens in the order in which they are added.
  static let names = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]

  /// Reads the files that are there; `source` is the name of `tokenizer.json`, for messages.
  init(_ sides: TokenizerSides, source: String) throws(TokenizerError) {
    func section(_ data: Data, _ name: String) throws(TokenizerError) -> TokenizerSection {
      let name = "\(source) (\(name))"
      return TokenizerSection(value: try TokenizerFile.parse(data, source: name), source: name, path: "")
    }
    if let data = sides.configuration {
      try read(configuration: try section(data, TokenizerSides.configurationName))
    }
    chatTemplate = sides.chatTemplateFiles.isEmpty ? chatTemplate : sides.chatTemplateFiles.joined(separator: ", ")
    if decoder != nil {
      for (data, name) in [
        (sides.specialTokensMap, TokenizerSides.specialTokensMapName),
        (sides.addedTokens, TokenizerSides.addedTokensName),
      ] {
        // transformers leaves them unread; whether they could be read is checked all the same.
        if let data { _ = try section(data, name).members() }
      }
      return
    }
    if let data = sides.specialTokensMap {
      try read(map: try section(data, TokenizerSides.specialTokensMapName))
    }
    if let data = sides.addedTokens { try read(added: try section(data, TokenizerSides.addedTokensName)) }
  }

  // MARK: tokenizer_config.json

  private mutating func read(configuration file: TokenizerSection) throws(TokenizerError) {
    let members = try file.members()
    className = try file.optionalText("tokenizer_class")
    addPrefixSpace = file.value["add_prefix_space"]?.bool
    if file.value["legacy"]?.bool != nil { isLegacy = try file.bool("legacy", default: false) }
    splitsSpecialTokens = try file.bool("split_special_tokens", default: false)
    try readAdds(file)
    try readTemplates(file)
    try Self.check(file, &notes)
    if let entries = file.optionalSection("added_tokens_decoder") {
      var tokens: [(Int32, AddedToken)] = []
      for member in try entries.members() {
        let id = try TokenizerFile.id(Int(member.key).map(JSONValue.integer), entries, member.key)
        tokens.append((id, try entries.section(member.key).token(isSpecial: false)))
      }
      decoder = tokens
    }
    for member in members where member.key.hasSuffix("_token") {
      if Self.names.contains(member.key) {
        named[member.key] = .some(try file.named(member.key))
        if case .object = member.value { hidden.insert(member.key) }
      } else if let token = member.value.bool == nil ? try file.named(member.key) : nil {
        if case .text = token { explicit.append((member.key, token)) } else { objects.append((member.key, token)) }
      }
    }
    for key in ["model_specific_special_tokens", "extra_special_tokens"] {
      guard let tokens = file.optionalSection(key), case .object(let members) = tokens.value else { continue }
      for member in members {
        if let token = try tokens.named(member.key) { explicit.append((member.key, token)) }
      }
    }
    if case .array? = file.value["extra_special_tokens"] { extra = try file.namedList("extra_special_tokens") }
    if extra.isEmpty { extra = try file.namedList("additional_special_tokens") }
    for case .text(let text) in extra { spelled.insert(ExactText(text)) }
    hasExtra = file.value["extra_special_tokens"] != nil || file.value["additional_special_tokens"] != nil
  }

  /// Whether `tokenizer_config.json` has a list of special tokens, were it empty: the one of `special_tokens_map.json`
  /// does not count then.
  private var hasExtra = false
  /// Extra tokens that are special as far as `added_tokens.json` goes: transformers does not look into objects of
  /// `tokenizer_config.json` there.
  private var spelled: Set<ExactText> = []
  /// Names whose tokens it does not see for the same reason.
  private var hidden: Set<String> = []

  private mutating func readAdds(_ file: TokenizerSection) throws(TokenizerError) {
    let keys = ["add_bos_token", "add_eos_token"]
    guard keys.contains(where: { file.value[$0]?.bool != nil }) else { return }
    adds = (try file.bool(keys[0], default: false), try file.bool(keys[1], default: false))
  }

  private mutating func readTemplates(_ file: TokenizerSection) throws(TokenizerError) {
    switch file.value["chat_template"] ?? .null {
    case .null: break
    case .string: chatTemplate = "chat_template of \(TokenizerSides.configurationName)"
    case .array:
      var names: [String] = []
      for template in try file.sections("chat_template") {
        try template.allow(["name", "template"])
        names.append("'\(try template.text("name"))'")
        _ = try template.text("template")
      }
      chatTemplate = "chat_template (\(names.joined(separator: ", "))) of \(TokenizerSides.configurationName)"
    case let other: throw file.invalid("chat_template", "a template or a list of named ones", other.kind)
    }
  }

  // MARK: older files

  private mutating func read(map file: TokenizerSection) throws(TokenizerError) {
    for member in try file.members() {
      switch member.key {
      case "extra_special_tokens":
        if case .object = member.value {
          for name in try file.section(member.key).members().map(\.key) {
            if let token = try file.section(member.key).named(name, isSpecial: true) { explicit.append((name, token)) }
          }
        } else {
          for token in try file.namedList(member.key, isSpecial: true) where !extra.contains(token) {
            extra.append(token)
            spelled.insert(ExactText(token.content))
          }
        }
      case "additional_special_tokens":
        if !hasExtra { extra = try file.namedList(member.key, isSpecial: true) }
      case let key where Self.names.contains(key):
        named[key] = .some(try file.named(key, isSpecial: true))
        hidden.remove(key)
      case let key where key.hasSuffix("_token"):
        guard let token = try file.named(key, isSpecial: true) else { continue }
        if let place = objects.firstIndex(where: { $0.name == key }) {
          objects[place].token = token
        } else {
          objects.append((key, token))
        }
      default:
        try file.allow(Set(Self.names + ["extra_special_tokens", "additional_special_tokens"]))
      }
    }
  }

  private mutating func read(added file: TokenizerSection) throws(TokenizerError) {
    let seen = named.filter { !hidden.contains($0.key) }.values.compactMap { $0 }.map { ExactText($0.content) }
    let special = spelled.union(seen)
    for member in try file.members() {
      let id = try TokenizerFile.id(member.value, file, member.key)
      let token = AddedToken(content: member.key, isSpecial: special.contains(ExactText(member.key)))
      legacy.append((id, token.settled))
    }
  }
}
