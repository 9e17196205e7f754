internal import Formats

/// One object of a file.
struct Row {
  let value: JSONValue
  let source: DataSource
  let file: String
  let line: Int

  /// The file's name of a column.
  func key(_ column: String) -> String { source.columnMap[column] ?? column }

  /// Checks the columns that the format does not read.
  ///
  /// - Throws: ``DataError`` for one that would change the sample.
  func check(_ keys: RowKeys, _ unread: inout UnreadColumns) throws(DataError) {
    guard case .object(let members) = value else { throw wrongType("sample", "an object", value) }
    let read = source.format.rowColumns.map(key)
    for member in members where !read.contains(member.key) {
      if let refused = keys.refusal(member.key, member.value) {
        let column = refused.column.map { "; column_map: {\($0): \(member.key)} reads it" } ?? ""
        throw unsupported(
          member.key, "nothing", "\(member.value.kind), \(refused.meaning)\(column)", reason: member.key)
      }
      let isKnown = keys.withoutEffect.contains(member.key) || keys.refused[member.key] != nil
      if !isKnown, member.value != .null { unread.add(member.key) }
    }
  }

  private func find(_ column: String) throws(DataError) -> JSONValue {
    if let found = value[key(column)] { return found }
    throw missing(key(column), in: value)
  }

  func missing(_ key: String, in value: JSONValue) -> DataError {
    var keys: [String] = []
    if case .object(let members) = value { keys = members.map(\.key) }
    return .missingColumn(
      path: file, line: line, column: key, format: source.format, found: keys,
      nearest: Spelling.nearest(to: key, in: keys))
  }

  func wrongType(_ column: String, _ expected: String, _ found: JSONValue) -> DataError {
    .wrongType(path: file, line: line, column: column, expected: expected, found: found.kind)
  }

  func unsupported(_ place: String, _ expected: String, _ found: String, reason: String) -> DataError {
    .unsupported(path: file, line: line, place: place, expected: expected, found: found, reason: reason)
  }

  func text(_ column: String) throws(DataError) -> String {
    let found = try find(column)
    guard let text = found.string else { throw wrongType(key(column), "a text", found) }
    return text
  }

  /// A column that may be left out, null or empty.
  func optionalText(_ column: String) throws(DataError) -> String? {
    // A key that `column_map` names must be there.
    if source.columnMap[column] == nil, value[column] == nil { return nil }
    if try find(column) == .null { return nil }
    let text = try text(column)
    return text.isEmpty ? nil : text
  }

  /// Turns before an instruction: pairs of instruction and output.
  func history() throws(DataError) -> [(instruction: String, output: String)] {
    if source.columnMap["history"] == nil, value["history"] == nil { return [] }
    let found = try find("history")
    if RowKeys.isAbsent(found) { return [] }
    guard case .array(let pairs) = found else { throw wrongType(key("history"), "a list of pairs", found) }
    var turns: [(instruction: String, output: String)] = []
    for (number, pair) in pairs.enumerated() {
      guard case .array(let texts) = pair, texts.count == 2, let first = texts[0].string, let last = texts[1].string
      else { throw wrongType("\(key("history"))[\(number)]", "a pair of instruction and output", pair) }
      turns.append((first, last))
    }
    return turns
  }

  /// The messages of a conversation, with the system column before them.
  func messages() throws(DataError) -> [Conversation.Message] {
    let column = source.format.rowColumns[0]
    let found = try find(column)
    guard case .array(let list) = found else { throw wrongType(key(column), "a list of messages", found) }
    return try withSystem(try MessageReader(self, place: key(column)).messages(list))
  }

  /// A prompt and a completion that are lists of messages, of which the prompt's are not learned; `nil` for texts.
  ///
  /// - Source: TRL's conversational prompt-completion format.
  func conversationalPrompt() throws(DataError) -> [Conversation.Message]? {
    guard case .array(let prompt) = try find("prompt") else { return nil }
    let found = try find("completion")
    guard case .array(let completion) = found else {
      throw wrongType(key("completion"), "a list of messages, as the prompt is", found)
    }
    var messages = try MessageReader(self, place: key("prompt")).messages(prompt)
    for index in messages.indices where messages[index].role == .assistant { messages[index].isLearned = false }
    return try withSystem(messages + (try MessageReader(self, place: key("completion")).messages(completion)))
  }

  private func withSystem(_ messages: [Conversation.Message]) throws(DataError) -> [Conversation.Message] {
    guard let system = try optionalText("system") else { return messages }
    guard let first = messages.first, first.role == .system else {
      return [.init(role: .system, text: system)] + messages
    }
    guard first.text == system else {
      throw unsupported(
        key("system"), "what the system message says", "'\(system.prefix(40))' beside '\(first.text.prefix(40))'",
        reason: "system")
    }
    return messages
  }

  func turns(
    _ messages: [Conversation.Message], _ template: PromptTemplate, _ lossOn: LossScope
  ) throws(DataError) -> Result<[Sample.Turn], Conversation.Problem> {
    do throws(Conversation.Problem) {
      return .success(try Conversation.turns(messages, template: template, lossOn: lossOn))
    } catch {
      if case .weight(let message, let expected, let found) = error {
        throw unsupported("weight of message \(message)", expected, found, reason: "weight")
      }
      return .failure(error)
    }
  }
}
