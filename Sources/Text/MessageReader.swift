internal import Formats

/// Reads the messages of one row.
struct MessageReader {
  let row: Row
  /// Where the list stands, as in `messages`.
  let place: String
  /// Names of role and content in the file.
  private let roleKey: String, textKey: String
  /// Names of the keys that say whether a message is learned.
  private let weightKeys: [String]

  init(_ row: Row, place: String) {
    (self.row, self.place) = (row, place)
    let (role, text) = row.source.format == .sharegpt ? ("from", "value") : ("role", "content")
    (roleKey, textKey) = (row.key(role), row.key(text))
    // `loss` is what ms-swift has in place of axolotl's `train`.
    weightKeys = [row.key("weight"), row.key("train"), "loss"]
  }

  func messages(_ list: [JSONValue]) throws(DataError) -> [Conversation.Message] {
    var messages: [Conversation.Message] = []
    for (number, value) in list.enumerated() { messages.append(try message(value, "\(place)[\(number)]")) }
    return messages
  }

  private func message(_ value: JSONValue, _ place: String) throws(DataError) -> Conversation.Message {
    guard case .object(let members) = value else { throw row.wrongType(place, "an object", value) }
    guard let name = value[roleKey] else { throw row.missing(roleKey, in: value) }
    guard let role = name.string.flatMap({ Conversation.roles[$0] }) else {
      throw .unknownRole(
        path: row.file, line: row.line, role: name.string ?? name.kind, known: Conversation.roles.keys.sorted())
    }
    for member in members where ![roleKey, textKey].contains(member.key) && !weightKeys.contains(member.key) {
      try check(member, place, RowKeys.message, "role, content, weight and train")
    }
    guard let content = value[textKey] else { throw row.missing(textKey, in: value) }
    return .init(role: role, text: try text(content, place + "." + textKey), isLearned: try isLearned(value, place))
  }

  private func check(
    _ member: JSONValue.Member, _ place: String, _ keys: RowKeys, _ known: String
  ) throws(DataError) {
    if let refused = keys.refusal(member.key, member.value) {
      throw row.unsupported(
        "\(place).\(member.key)", "nothing", "\(member.value.kind), \(refused.meaning)", reason: member.key)
    }
    let isKnown = keys.withoutEffect.contains(member.key) || keys.refused[member.key] != nil
    if isKnown || RowKeys.isAbsent(member.value) { return }
    let near = Spelling.nearest(to: member.key, in: [roleKey, textKey] + weightKeys)
    throw row.unsupported(
      place, known,
      "'\(member.key)' as well, \(member.value.kind), and nothing tells what it changes"
        + (near.map { " (did you mean '\($0)'?)" } ?? ""), reason: member.key)
  }

  /// A text, or the texts of a list of parts put together.
  private func text(_ value: JSONValue, _ place: String) throws(DataError) -> String {
    if let text = value.string { return text }
    guard case .array(let parts) = value else { throw row.wrongType(place, "a text", value) }
    var text = ""
    for (number, part) in parts.enumerated() {
      let place = "\(place)[\(number)]"
      guard case .object(let members) = part, let type = part["type"]?.string else {
        throw row.unsupported(place, "{type: text, text: …}", part.kind, reason: "content in parts")
      }
      guard ["text", "input_text", "output_text"].contains(type) else {
        throw row.unsupported(place, "a part of type text", "'\(type)'", reason: "content of type \(type)")
      }
      for member in members where member.key != "type" && member.key != "text" {
        try check(member, place, RowKeys.part, "type and text")
      }
      guard let own = part["text"]?.string else {
        throw row.unsupported(place, "a text", part["text"]?.kind ?? "none", reason: "content in parts")
      }
      text += own
    }
    return text
  }

  private func isLearned(_ value: JSONValue, _ place: String) throws(DataError) -> Bool? {
    var said: Bool?
    for key in weightKeys {
      guard let found = value[key], found != .null else { continue }
      let own: Bool
      switch found {
      case .bool(let flag): own = flag
      case .integer(0), .number(0): own = false
      case .integer(1), .number(1): own = true
      default:
        throw row.unsupported("\(place).\(key)", "0 or 1, true or false", found.kind, reason: key)
      }
      if let said, said != own {
        throw row.unsupported("\(place).\(key)", "what the other key says", found.kind, reason: key)
      }
      said = own
    }
    return said
  }
}
