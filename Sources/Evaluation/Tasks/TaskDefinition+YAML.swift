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
    try SmallFile.parse(text, file: file, kind: "a task", example: "docs/evaluation.md for the keys") {
      TaskReader(section: $0, file: file).tasks()
    }
  }
}

/// Reads one task file.
private struct TaskReader {
  let section: RecipeSection
  let file: String

  func tasks() -> [TaskDefinition] {
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
    let version = section.section("metadata") { $0.value("version", default: 0, expected: "a number", \.double) }
    let isRolling = output == .rolling
    let contexts = choices("contexts", required: false)
    let definition = TaskDefinition(
      name: name, alias: name, output: output, split: split, files: files, exampleFiles: examples,
      exampleSplit: section.node("fewshot_split") == nil ? nil : text("fewshot_split"),
      exampleOrder: section.section("fewshot_config") { $0.choice("sampler", default: .random) },
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

  private func metrics(_ output: TaskOutput) -> [TaskMetric] {
    let names = texts("metric_list", section, required: true)
    return names.compactMap { name in
      if let metric = TaskMetric(rawValue: name), output.metrics.contains(metric) { return metric }
      section.report(
        "metric_list", "expected \(output.metrics.map(\.rawValue).joined(separator: ", ")), found '\(name)'")
      return nil
    }
  }

  private func generation(_ output: TaskOutput) -> TaskDefinition.Generation {
    var generation = TaskDefinition.Generation()
    section.section("generation_kwargs") { keys in
      generation.until = texts("until", keys)
      generation.maxTokens = keys.int("max_gen_toks", in: 1...1_000_000, default: 256)
    }
    section.section("exact_match") { keys in
      generation.ignoresCase = keys.bool("ignore_case", default: false)
      generation.ignored = texts("regexes_to_ignore", keys).compactMap { pattern($0, "regexes_to_ignore", keys) }
    }
    generation.filters = entries("filter_list").compactMap { name, node in
      guard let source = node["regex"]?.string, let pattern = pattern(source, "filter_list", section) else {
        section.report("filter_list", "expected {name: {regex: …, group_select: 0}}, found \(node.found)")
        return nil
      }
      let selected = node["group_select"]
      guard let match = selected.map(\.int) ?? 0, ResponseFilter.matches.contains(match) else {
        section.report(
          "filter_list", "expected a group_select in \(ResponseFilter.matches), found \(selected?.found ?? "nothing")")
        return nil
      }
      return ResponseFilter(name: name, pattern: pattern, match: match)
    }
    if output == .generate, generation.filters.isEmpty {
      section.report("filter_list", "expected at least one filter {name: {regex: …}}, found none")
    }
    return generation
  }

  private func pattern(_ source: String, _ key: String, _ keys: RecipeSection) -> Pattern? {
    let pattern = Pattern(source)
    if pattern == nil { keys.report(key, "expected a regular expression, found '\(source)'") }
    return pattern
  }

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
  private func texts(_ key: String, _ keys: RecipeSection, required: Bool = false) -> [String] {
    if required, keys.node(key) == nil { keys.report(key, "expected a list of names, found no such key") }
    return keys.value(key, default: [], expected: "a list of texts") { node in
      if let text = node.string { return [text] }
      guard case .list(let items) = node.content else { return nil }
      let texts = items.compactMap(\.string)
      return texts.count == items.count && !texts.isEmpty ? texts : nil
    }
  }

  private func entries(_ key: String) -> [(String, RecipeNode)] {
    guard let node = section.node(key) else { return [] }
    guard case .map(let entries) = node.content else {
      section.report(key, "expected a map, found \(node.found)")
      return []
    }
    return entries.map { ($0.key, $0.value) }
  }

  // MARK: Subtasks

  /// One task for each subtask; `{{subtask}}` in its files and description is its name, `{{subject}}` the same in words.
  private func expanded(_ task: TaskDefinition) -> [TaskDefinition] {
    let groups = entries("subtasks")
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
        one.files = task.files.map { filled($0, row) }
        one.exampleFiles = task.exampleFiles.map { filled($0, row) }
        one.description = filled(task.description, row)
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
