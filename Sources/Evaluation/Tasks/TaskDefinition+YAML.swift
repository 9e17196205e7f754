internal import Formats
internal import Text
internal import Training

extension TaskDefinition {
  /// Reads a task file: one task, or as many as it has subtasks.
  ///
  /// - Parameters:
  ///   - text: YAML.
  ///   - file: Its name, for messages.
  /// - Returns: The tasks.
  /// - Throws: `RecipeError` with everything that is wrong.
  static func parse(_ text: String, file: String) throws(RecipeError) -> [TaskDefinition] {
    try SmallFile.parse(
      text, file: file, kind: "a task", example: "docs/evaluation.md for the keys", nullIsAbsent: true
    ) {
      TaskReader(section: $0, file: file).tasks()
    }
  }
}

/// Reads one task file.
struct TaskReader {
  let section: RecipeSection
  let file: String

  func tasks() -> [TaskDefinition] {
    TaskKeys.task.check(section)
    let name = section.requiredText("task", hint: "the task's name")
    let output = section.choice("output_type", default: TaskOutput.multipleChoice)
    if section.node("output_type") == nil {
      section.report(
        "output_type", "expected \(TaskOutput.allCases.map(\.rawValue).joined(separator: ", ")), found no such key")
    }
    let (split, files, examples) = section.section("data") { data in
      (
        data.requiredText("split", hint: "the split's name, as in 'test'"), texts("files", data, required: true),
        texts("fewshot", data)
      )
    }
    let version = section.section("metadata") { metadata in
      // Whatever else an author notes there.
      for key in metadata.keys { _ = metadata.node(key) }
      return metadata.value("version", default: 0, expected: "a number", \.double)
    }
    let isRolling = output == .rolling
    let contexts = choices("contexts", required: false)
    let definition = TaskDefinition(
      name: name, alias: name, output: output, split: split, files: files, exampleFiles: examples,
      exampleSplit: section.node("fewshot_split") == nil ? nil : text("fewshot_split"),
      exampleOrder: section.section("fewshot_config") { keys in
        TaskKeys.examples.check(keys)
        return keys.choice("sampler", default: .random)
      },
      layouts: layouts(), description: text("description"),
      text: template("doc_to_text", required: contexts == nil && !isRolling), contexts: contexts,
      choices: choices("doc_to_choice", required: output == .multipleChoice && contexts == nil),
      target: template("doc_to_target", required: true) ?? Template.none,
      gold: template("gold", required: contexts != nil), counted: template("counted", required: isRolling),
      targetDelimiter: text("target_delimiter", default: " "),
      exampleDelimiter: text("fewshot_delimiter", default: "\n\n"),
      shots: section.int("num_fewshot", in: 0...1000, default: 0), metrics: metrics(output),
      generation: generation(output), version: version, file: file)
    return expanded(definition)
  }

  // MARK: Parts

  private func layouts() -> [RowLayout] {
    entries("rows").map { name, node in
      guard case .map(let fields) = node.content else {
        section.report("rows", "expected a map from fields to templates for '\(name)', found \(node.found)")
        return RowLayout(name: name, fields: [])
      }
      return RowLayout(
        name: name,
        fields: fields.compactMap { entry in
          template(entry.value, "rows.\(name).\(entry.key)").map { .init(name: entry.key, template: $0) }
        })
    }
  }

  private func choices(_ key: String, required: Bool) -> TaskDefinition.Choices? {
    guard let node = section.node(key) else {
      if required {
        section.report(key, "expected a template that gives a list, or a list of templates, found no such key")
      }
      return nil
    }
    if case .list(let items) = node.content { return .each(items.compactMap { template($0, key) }) }
    return template(node, key).map { .list($0) }
  }

  private func template(_ key: String, required: Bool) -> Template? {
    guard let node = section.node(key) else {
      if required { section.report(key, "expected a template such as 'Question: {{question}}', found no such key") }
      return nil
    }
    return template(node, key)
  }

  private func template(_ node: RecipeNode, _ key: String) -> Template? {
    guard let text = node.string else {
      section.reader.report(key, node.position, "expected a template, found \(node.found)")
      return nil
    }
    do throws(TemplateError) {
      return try Template(text)
    } catch {
      section.reader.report(key, node.position, "expected \(error.expected), found \(error.found)")
      return nil
    }
  }

  private func text(_ key: String, default fallback: String = "") -> String {
    section.value(key, default: fallback, expected: "text", \.string)
  }

  /// A list of texts, or one.
  func texts(_ key: String, _ keys: RecipeSection, required: Bool = false) -> [String] {
    if required, keys.node(key) == nil { keys.report(key, "expected a list of names, found no such key") }
    return keys.value(key, default: [], expected: "a list of texts") { node in
      if let text = node.string { return [text] }
      guard case .list(let items) = node.content else { return nil }
      let texts = items.compactMap(\.string)
      return texts.count == items.count && !texts.isEmpty ? texts : nil
    }
  }

  func entries(_ key: String) -> [(String, RecipeNode)] {
    guard let node = section.node(key) else { return [] }
    guard case .map(let entries) = node.content else {
      section.report(key, "expected a map, found \(node.found)")
      return []
    }
    return entries.map { ($0.key, $0.value) }
  }

  // MARK: Subtasks

  /// One task for each subtask; `{{subtask}}` in its files and description is its name, `{{subject}}` the same in
  /// words.
  private func expanded(_ task: TaskDefinition) -> [TaskDefinition] {
    let groups = entries("subtasks")
    let fixed = [
      ("target_delimiter", [task.targetDelimiter]), ("fewshot_delimiter", [task.exampleDelimiter]),
      ("data.split", [task.split]),
    ]
    let filled = [("description", [task.description]), ("data.files", task.files), ("data.fewshot", task.exampleFiles)]
    for (key, texts) in fixed + (groups.isEmpty ? filled : []) {
      for text in texts where !TemplateScanner.isLiteral(text) {
        section.reader.report(
          key, section.position(of: key.pieces(".")[0]),
          "expected text without braces, found '\(text)'; fields of rows stand in doc_to_text, {{subject}} where there "
            + "are subtasks")
      }
    }
    if groups.isEmpty { return [task] }
    let outer = TaskGroup(name: task.name, alias: task.name, version: 2)
    return groups.flatMap { key, node -> [TaskDefinition] in
      guard case .list(let items) = node.content else {
        section.report("subtasks", "expected a list of names for '\(key)', found \(node.found)")
        return []
      }
      let group = TaskGroup(
        name: "\(task.name)_\(key)", alias: key.substituting("_", by: " "), version: outer.version)
      return items.compactMap(\.string).map { subtask in
        var one = task
        let row = JSONValue.object([
          .init(key: "subtask", value: .string(subtask)),
          .init(key: "subject", value: .string(subtask.substituting("_", by: " "))),
        ])
        one.name = "\(task.name)_\(subtask)"
        one.alias = subtask
        one.groups = [outer, group]
        one.files = task.files.map { self.filled($0, row) }
        one.exampleFiles = task.exampleFiles.map { self.filled($0, row) }
        one.description = self.filled(task.description, row)
        return one
      }
    }
  }

  private func filled(_ text: String, _ row: JSONValue) -> String {
    do throws(TemplateError) {
      return try Template(text).text(row)
    } catch {
      section.report("subtasks", "expected {{subtask}} or {{subject}} in '\(text)', found \(error.found)")
      return text
    }
  }
}

extension Template {
  /// What stands in for a template that is missing, which is reported.
  fileprivate static let none: Template = {
    guard let empty = try? Template("") else { preconditionFailure("Template: the empty text is one") }
    return empty
  }()
}
