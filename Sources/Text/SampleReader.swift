internal import Formats

/// Reads the samples of one source.
struct SampleReader {
  let source: DataSource
  let template: PromptTemplate

  /// What the files hold.
  struct Result {
    var samples: [Sample] = []
    /// Samples that cannot be used, and why.
    var dropped: [DropReason: Int] = [:]
  }

  func read() throws(DataError) -> Result {
    var result = Result()
    for file in try source.files() {
      let bytes = try JSONRows.bytes(of: file)
      let isJSON = file.hasSuffix(".jsonl") || file.hasSuffix(".json") || file.hasSuffix(".ndjson")
      if source.format == .text, !isJSON {
        let text = String(decoding: bytes, as: UTF8.self)
        result.samples.append(Sample(turns: [.init(prompt: "", response: text)], file: file, line: 1))
      } else {
        try JSONRows.read(bytes, file: file) { (value, line) throws(DataError) in
          try append(value, file, line, &result)
        }
      }
    }
    return result
  }

  private func append(_ value: JSONValue, _ file: String, _ line: Int, _ result: inout Result) throws(DataError) {
    let row = Row(value: value, source: source, file: file, line: line)
    guard case .object = value else {
      throw .wrongType(path: file, line: line, column: "sample", expected: "an object", found: value.kind)
    }
    let turns: [Sample.Turn]
    switch source.format {
    case .alpaca:
      let instruction = try row.text("instruction")
      let prompt = template.prompt(instruction: instruction, input: try row.optionalText("input") ?? "")
      turns = [.init(prompt: prompt, response: template.response(try row.text("output")))]
    case .promptCompletion:
      let prompt = template.prompt(try row.text("prompt"))
      turns = [.init(prompt: prompt, response: template.response(try row.text("completion")))]
    case .text:
      turns = [.init(prompt: "", response: try row.text("text"))]
    case .chat, .sharegpt:
      guard let conversation = Conversation.turns(try row.messages(), template: template) else {
        result.dropped[.notAlternating, default: 0] += 1
        return
      }
      turns = conversation
    }
    result.samples.append(Sample(turns: turns, file: file, line: line))
  }
}

/// One object of a file.
struct Row {
  let value: JSONValue
  let source: DataSource
  let file: String
  let line: Int

  private func key(_ column: String) -> String { source.columnMap[column] ?? column }

  private func find(_ column: String) throws(DataError) -> JSONValue {
    if let found = value[key(column)] { return found }
    throw missing(key(column), in: value)
  }

  private func missing(_ key: String, in value: JSONValue) -> DataError {
    var keys: [String] = []
    if case .object(let members) = value { keys = members.map(\.key) }
    return .missingColumn(
      path: file, line: line, column: key, format: source.format, found: keys,
      nearest: Spelling.nearest(to: key, in: keys))
  }

  private func wrongType(_ column: String, _ expected: String, _ found: JSONValue) -> DataError {
    .wrongType(path: file, line: line, column: column, expected: expected, found: found.kind)
  }

  func text(_ column: String) throws(DataError) -> String {
    let found = try find(column)
    guard let text = found.string else { throw wrongType(key(column), "a text", found) }
    return text
  }

  /// A column that may be left out or null.
  func optionalText(_ column: String) throws(DataError) -> String? {
    // A key that `column_map` names must be there.
    if source.columnMap[column] == nil, value[column] == nil { return nil }
    return try find(column) == .null ? nil : try text(column)
  }

  func messages() throws(DataError) -> [Conversation.Message] {
    let column = source.format.columns[0]
    let found = try find(column)
    guard case .array(let rows) = found else { throw wrongType(key(column), "a list of messages", found) }
    let (roleKey, textKey) = source.format == .chat ? ("role", "content") : ("from", "value")
    var messages: [Conversation.Message] = []
    for row in rows {
      guard let name = row[roleKey] else { throw missing(roleKey, in: row) }
      guard let content = row[textKey] else { throw missing(textKey, in: row) }
      guard let text = content.string else { throw wrongType(textKey, "a text", content) }
      guard let role = name.string.flatMap({ Conversation.roles[$0] }) else {
        throw .unknownRole(
          path: file, line: line, role: name.string ?? name.kind, known: Conversation.roles.keys.sorted())
      }
      messages.append(.init(role: role, text: text))
    }
    return messages
  }
}
