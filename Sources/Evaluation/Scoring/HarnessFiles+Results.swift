internal import Formats
internal import Foundation
internal import Text

extension HarnessFiles {
  /// The content of `results_<time>.json`.
  func results(_ hashes: [JSONValue.Member]) throws -> JSONValue {
    let tasks = evaluation.tasks
    let groups = groups
    func byTask(_ value: (ScoredTask) -> JSONValue) -> JSONValue {
      .object(tasks.map { .init(key: $0.task.definition.name, value: value($0)) })
    }
    func rows(of name: String, _ alias: String, _ count: Int, _ figures: [TaskFigure]) -> JSONValue.Member {
      .init(key: name, value: .object(Self.row(name, alias, count, figures)))
    }
    let groupRows = groups.map { entry in
      rows(
        of: entry.group.name, entry.group.alias, entry.tasks.reduce(0) { $0 + $1.documents.count },
        figures(of: entry.tasks))
    }
    let taskRows = tasks.map { task in
      rows(
        of: task.task.definition.name, task.task.definition.alias, task.documents.count,
        figures[task.task.definition.name] ?? [])
    }
    var members: [JSONValue.Member] = [.init(key: "results", value: .object(groupRows + taskRows))]
    if !groups.isEmpty { members.append(.init(key: "groups", value: .object(groupRows))) }
    members += JSONValue.members([
      (
        "group_subtasks",
        .object(groups.map { .init(key: $0.group.name, value: .array(subtasks(of: $0.group.name, $0.tasks))) })
      ),
      ("configs", byTask { Self.configuration($0.task) }),
      (
        "versions",
        .object(
          groups.map { .init(key: $0.group.name, value: .number($0.group.version)) }
            + tasks.map { .init(key: $0.task.definition.name, value: .number($0.task.definition.version)) })
      ),
      ("n-shot", byTask { .integer($0.task.shots) }),
      ("higher_is_better", byTask { Self.directions($0) }),
      (
        "n-samples",
        byTask {
          .object(
            JSONValue.members([
              ("original", .integer($0.task.available)), ("effective", .integer($0.documents.count)),
            ]))
        }
      ),
      ("config", configuration),
      ("git_hash", .null), ("date", .number(settings.began.timeIntervalSince1970)),
      ("tokenizer_eos_token", .array([.string(model.endToken.piece), .string("\(model.endToken.id)")])),
      ("eot_token_id", .integer(model.endToken.id)), ("max_length", .integer(model.maxLength)),
      ("task_hashes", .object(hashes)), ("model_source", .string("occult")), ("model_name", .string(model.path)),
      ("model_name_sanitized", .string(Self.sanitized(model.path))), ("system_instruction", .null),
      ("system_instruction_sha", .null), ("fewshot_as_multiturn", .bool(false)), ("chat_template", .null),
      ("chat_template_sha", .null), ("total_evaluation_time_seconds", .string("\(settings.seconds)")),
      ("occult", try own()),
    ])
    return .object(members)
  }

  private static func row(
    _ name: String, _ alias: String, _ count: Int, _ figures: [TaskFigure]
  ) -> [JSONValue.Member] {
    let head = JSONValue.members([
      ("alias", .string(alias)), ("name", .string(name)), ("sample_len", .integer(count)),
    ])
    return head
      + figures.flatMap { figure in
        JSONValue.members([
          ("\(figure.metric.rawValue),\(figure.filter)", .number(figure.value)),
          (
            "\(figure.metric.rawValue)_stderr,\(figure.filter)",
            figure.standardError.map { .number($0) } ?? .string("N/A")
          ),
        ])
      }
  }

  /// Groups in a group, or its tasks where there are none.
  private func subtasks(of group: String, _ tasks: [ScoredTask]) -> [JSONValue] {
    let inner = groups.filter { $0.parent == group }.map { JSONValue.string($0.group.name) }
    return inner.isEmpty ? tasks.map { .string($0.task.definition.name) } : inner
  }

  private static func directions(_ task: ScoredTask) -> JSONValue {
    .object(task.task.definition.metrics.map { .init(key: $0.rawValue, value: .bool($0.isHigherBetter)) })
  }

  private static func configuration(_ task: LoadedTask) -> JSONValue {
    let definition = task.definition
    func choices(_ choices: TaskDefinition.Choices) -> JSONValue {
      switch choices {
      case .list(let template): .string(template.source)
      case .each(let templates): .array(templates.map { .string($0.source) })
      }
    }
    var members = JSONValue.members([
      ("task", .string(definition.name)), ("dataset_path", .string(task.file)),
      ("\(definition.split)_split", .string(definition.split)), ("doc_to_target", .string(definition.target.source)),
      ("description", .string(definition.description)), ("target_delimiter", .string(definition.targetDelimiter)),
      ("fewshot_delimiter", .string(definition.exampleDelimiter)), ("num_fewshot", .integer(task.shots)),
      ("fewshot_split", definition.exampleSplit.map { .string($0) } ?? .null),
      ("fewshot_config", .object([.init(key: "sampler", value: .string(definition.exampleOrder.rawValue))])),
      (
        "metric_list",
        .array(
          definition.metrics.map { metric in
            .object(
              JSONValue.members([
                ("metric", .string(metric.rawValue)), ("higher_is_better", .bool(metric.isHigherBetter)),
              ]))
          })
      ),
      ("output_type", .string(definition.output.rawValue)),
      ("metadata", .object([.init(key: "version", value: .number(definition.version))])),
    ])
    if let text = definition.text { members.append(.init(key: "doc_to_text", value: .string(text.source))) }
    if let list = definition.choices { members.append(.init(key: "doc_to_choice", value: choices(list))) }
    if let list = definition.contexts { members.append(.init(key: "contexts", value: choices(list))) }
    if definition.output == .generate {
      members.append(.init(key: "generation_kwargs", value: HarnessSamples.generation(definition)))
    }
    return .object(members)
  }

  private var configuration: JSONValue {
    .object(
      JSONValue.members([
        ("model", .string("occult")), ("model_args", .object([.init(key: "pretrained", value: .string(model.path))])),
        ("model_num_parameters", .integer(model.parameters)), ("batch_size", .string("\(settings.batchTokens) tokens")),
        ("limit", settings.limit.map { .integer($0) } ?? .null), ("bootstrap_iters", .integer(settings.draws)),
        ("gen_kwargs", .object([])),
      ]))
  }

  /// What the harness has no place for.
  private func own() throws -> JSONValue {
    var parser = JSONParser(Array(try result.json()))
    let run: JSONValue
    do throws(JSONError) {
      run = try parser.document()
    } catch {
      preconditionFailure("HarnessFiles: the encoder wrote broken JSON in line \(error.line): \(error.reason)")
    }
    guard case .object(let members) = run else { preconditionFailure("HarnessFiles: a result is an object") }
    let tasks = evaluation.tasks.map { task in
      JSONValue.Member(
        key: task.task.definition.name,
        value: .object(
          JSONValue.members([
            ("file", .string(task.task.file)), ("task_file", .string(task.task.definition.file)),
            ("truncated", .integer(task.documents.count { $0.isTruncated })),
            ("close_routing", .array(task.documents.filter(\.isClose).map { .integer($0.document.id) })),
          ])))
    }
    return .object(
      members
        + JSONValue.members([
          ("tokens", .integer(evaluation.tokens)), ("missing_tasks", .array(evaluation.missing.map { .string($0) })),
          ("tasks", .object(tasks)),
        ]))
  }
}

extension JSONValue {
  /// Members of an object, in order.
  static func members(_ pairs: [(String, JSONValue)]) -> [Member] {
    pairs.map { Member(key: $0.0, value: $0.1) }
  }
}
