internal import Formats

/// Reads the samples of one source.
struct SampleReader {
  let source: DataSource
  let template: PromptTemplate
  let lossOn: LossScope

  /// What the files hold.
  struct Content {
    var samples: [Sample] = []
    /// Samples that cannot be used, and why.
    var dropped: [DropReason: Int] = [:]
    /// Of each reason that has one, the first place with what was found there.
    var firstDropped: [DropReason: String] = [:]
    /// Columns that nothing reads, by file.
    var unread: [(file: String, columns: [String])] = []
    /// Line ends of plain files that became `\n`.
    var lineEnds = 0
  }

  func read() throws(DataError) -> Content {
    var result = Content()
    let keys = RowKeys.row(source.format)
    for file in try source.files() {
      let bytes = try JSONRows.bytes(of: file)
      var unread = UnreadColumns()
      if [".csv", ".tsv"].contains(where: file.lowercased().hasSuffix) {
        for (value, line) in try JSONRows.table(bytes, file: file) {
          try append(value, file, line, keys, &unread, &result)
        }
      } else if source.format == .text, ![".jsonl", ".json", ".ndjson"].contains(where: file.lowercased().hasSuffix) {
        let (text, replaced) = LineEnds.universal(bytes)
        result.lineEnds += replaced
        result.samples.append(Sample(turns: [.init(prompt: "", response: text)], file: file, line: 1))
      } else {
        try JSONRows.read(bytes, file: file) { (value, line) throws(DataError) in
          try append(value, file, line, keys, &unread, &result)
        }
      }
      if !unread.names.isEmpty { result.unread.append((file, unread.names)) }
    }
    return result
  }

  private func append(
    _ value: JSONValue, _ file: String, _ line: Int, _ keys: RowKeys, _ unread: inout UnreadColumns,
    _ result: inout Content
  ) throws(DataError) {
    let row = Row(value: value, source: source, file: file, line: line)
    func drop(_ reason: DropReason, _ found: String?) {
      result.dropped[reason, default: 0] += 1
      if let found, result.firstDropped[reason] == nil { result.firstDropped[reason] = "\(file):\(line): \(found)" }
    }
    do throws(DataError) {
      try row.check(keys, &unread)
      switch try turns(row) {
      case .success(let turns): result.samples.append(Sample(turns: turns, file: file, line: line))
      case .failure(.notAlternating(let found)): drop(.notAlternating, found)
      case .failure: drop(.noResponse, nil)
      }
    } catch {
      guard source.onUnsupported == .drop, let (reason, found) = error.dropped else { throw error }
      drop(.unsupported(reason), found)
    }
  }

  private func turns(_ row: Row) throws(DataError) -> Result<[Sample.Turn], Conversation.Problem> {
    switch source.format {
    case .alpaca:
      return .success(try instruction(row))
    case .promptCompletion:
      if let messages = try row.conversationalPrompt() { return try row.turns(messages, template, lossOn) }
      let prompt = template.prompt(try row.text("prompt"), system: try row.optionalText("system"))
      return .success([.init(prompt: prompt, response: template.response(try row.text("completion")))])
    case .text:
      return .success([.init(prompt: "", response: try row.text("text"))])
    case .chat, .sharegpt:
      return try row.turns(try row.messages(), template, lossOn)
    }
  }

  /// An instruction with the turns of its history before it, all of which are learned.
  ///
  /// - Source: `AlpacaDatasetConverter` of LLaMA-Factory.
  private func instruction(_ row: Row) throws(DataError) -> [Sample.Turn] {
    let (instruction, input) = (try row.text("instruction"), try row.optionalText("input") ?? "")
    let (output, system) = (try row.text("output"), try row.optionalText("system"))
    let pairs = try row.history().map { ($0.instruction, "", $0.output) } + [(instruction, input, output)]
    return pairs.enumerated().map { number, pair in
      .init(
        prompt: number == 0
          ? template.prompt(instruction: pair.0, input: pair.1, system: system)
          : template.followUp(instruction: pair.0, input: pair.1),
        response: template.response(pair.2))
    }
  }
}
