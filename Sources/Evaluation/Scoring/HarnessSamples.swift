internal import Files
internal import Formats
internal import Checkpoint
internal import Text

/// The samples of one task: an object a line, filter by filter in the order of documents.
struct HarnessSamples {
  private let lines: [JSONValue]
  /// Hash over all documents, prompts and targets.
  let hash: String

  /// Samples of a task.
  init(_ scored: ScoredTask) {
    var (lines, hashes): ([JSONValue], String) = ([], "")
    for filter in scored.filters {
      for document in scored.documents {
        let (line, hash) = Self.line(scored, document, filter)
        lines.append(line)
        hashes += hash
      }
    }
    (self.lines, hash) = (lines, SHA256.hexadecimal(hashes))
  }

  /// Writes the file.
  func write(to path: String) throws {
    try Self.write(lines.map { $0.text() }.joined(separator: "\n"), to: path)
  }

  /// Writes text that ends with a line.
  static func write(_ text: String, to path: String) throws { try TextFile.write(text + "\n", to: path) }

  /// How answers are generated, as the harness passes it to a model.
  static func generation(_ definition: TaskDefinition) -> JSONValue {
    .object(
      JSONValue.members([
        ("until", .array(definition.generation.until.map { .string($0) })), ("do_sample", .bool(false)),
        ("temperature", .number(0)), ("max_gen_toks", .integer(definition.generation.maxTokens)),
      ]))
  }

  private static func line(
    _ scored: ScoredTask, _ document: ScoredDocument, _ filter: String
  ) -> (line: JSONValue, hash: String) {
    let (definition, source) = (scored.task.definition, document.document)
    let arguments = source.requests.enumerated().map { index, request in
      let second: JSONValue? =
        switch definition.output {
        case .rolling: nil
        case .generate: generation(definition)
        case .multipleChoice, .loglikelihood: .string(request.continuation)
        }
      let first = definition.output == .rolling ? request.continuation : request.context
      return JSONValue.Member(
        key: "gen_args_\(index)",
        value: .object(
          [.init(key: "arg_0", value: .string(first))] + (second.map { [.init(key: "arg_1", value: $0)] } ?? [])))
    }
    let responses = Self.responses(scored, document, filter)
    let target = Self.printed(source.target)
    let prompt = definition.output == .rolling ? source.requests[0].continuation : source.requests[0].context
    let hashes = [source.row.text(indent: 2), prompt, target].map(SHA256.hexadecimal)
    let metrics = definition.metrics.map { ($0.rawValue, Self.value(scored.figure($0, document, filter: filter))) }
    let members = JSONValue.members([
      ("doc_id", .integer(source.id)), ("doc", source.row), ("target", .string(target)),
      ("arguments", .object(arguments)), ("resps", .array(responses.map(\.raw))),
      ("filtered_resps", .array(responses.map(\.filtered))), ("filter", .string(filter)),
      ("metrics", .array(metrics.map { .string($0.0) })), ("doc_hash", .string(hashes[0])),
      ("prompt_hash", .string(hashes[1])), ("target_hash", .string(hashes[2])),
    ])
    return (.object(members + JSONValue.members(metrics)), hashes.joined())
  }

  /// Each response as the harness writes it, numbers as text, and what the filter leaves of it.
  private static func responses(
    _ scored: ScoredTask, _ document: ScoredDocument, _ filter: String
  ) -> [(raw: JSONValue, filtered: JSONValue)] {
    if let answer = document.answer {
      return [(.array([.string(answer)]), .string(scored.filtered(document, filter)))]
    }
    return document.responses.map { response in
      let number = JSONValue.string("\(response.logLikelihood)")
      if scored.task.definition.output == .rolling { return (.array([number]), number) }
      let pair = JSONValue.array([number, .string(response.isGreedy ? "True" : "False")])
      return (.array([pair]), pair)
    }
  }

  private static func value(_ figure: DocumentFigure) -> JSONValue {
    switch figure {
    case .hit(let isHit): .number(isHit ? 1 : 0)
    case .logLikelihood(let value): .number(value)
    case .weighted(let value, let weight): .array([.number(value), .integer(weight)])
    }
  }

  private static func printed(_ target: JSONValue) -> String {
    if let text = target.string { return text }
    return target.integer.map(String.init) ?? target.text()
  }
}
