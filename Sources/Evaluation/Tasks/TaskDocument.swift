internal import Formats
internal import Text

/// One row of a task as it is asked: contexts and continuations, and what is right.
struct TaskDocument: Sendable, Equatable {
  /// Number of the row in its file, from 0.
  let id: Int
  /// Line of the row.
  let line: Int
  /// The row as the file has it.
  let row: JSONValue
  /// Gold answer as the task gives it: an index, a choice or a text.
  let target: JSONValue
  /// Index of the gold choice, where there are choices.
  let gold: Int?
  /// Choices, or contexts, for their lengths; empty where there are none.
  let choices: [String]
  /// What is put to the model.
  let requests: [Request]
  /// Words and UTF-8 bytes of the text as it was, for rolling log-likelihoods.
  let words: Int, bytes: Int

  /// A context and what follows; for generation the continuation is empty, for rolling log-likelihoods the context.
  struct Request: Sendable, Equatable {
    let context: String
    let continuation: String
  }
}

/// Makes documents of rows.
struct DocumentBuilder {
  let task: TaskDefinition
  let file: String
  /// Layout of the file's rows; nil where rows have the task's own fields.
  private let layout: RowLayout?

  /// A builder for the rows of a file, whose first row says how they are written.
  ///
  /// - Throws: ``TaskDataError``.
  init(_ task: TaskDefinition, _ rows: TaskRows) throws(TaskDataError) {
    (self.task, file) = (task, rows.file)
    guard let first = rows.rows.first, !task.layouts.isEmpty else {
      layout = nil
      return
    }
    var reasons: [String] = []
    for layout in task.layouts {
      do throws(RowLayoutError) {
        _ = try layout(first.value)
        self.layout = layout
        return
      } catch {
        reasons.append(
          "\(layout.name): \(error.field): expected \(error.reason.expected), found \(error.reason.found)")
      }
    }
    throw .layout(
      task: task.name, file: rows.file, line: first.line, layouts: task.layouts.map(\.name),
      reason: reasons.joined(separator: "; "))
  }

  /// Question and gold answer as they stand before other questions.
  ///
  /// - Throws: ``TaskDataError`` for a row that lacks something.
  func example(_ row: TaskRow) throws(TaskDataError) -> String {
    let parts = try parts(row)
    let question = task.contexts == nil ? parts.text : parts.choices[parts.gold ?? 0]
    let answer = task.contexts == nil && parts.gold != nil ? parts.choices[parts.gold ?? 0] : parts.continuation
    return question + task.targetDelimiter + answer + task.exampleDelimiter
  }

  /// The document of a row.
  ///
  /// - Parameters:
  ///   - row: The row.
  ///   - id: Its number.
  ///   - prefix: Description and examples, which stand before every question.
  /// - Returns: What is asked of the model, and what is right.
  /// - Throws: ``TaskDataError`` for a row that lacks something, has no gold answer, or an empty choice.
  func document(_ row: TaskRow, id: Int, prefix: String) throws(TaskDataError) -> TaskDocument {
    let parts = try parts(row)
    var (words, bytes) = (0, 0)
    let requests: [TaskDocument.Request]
    switch task.output {
    case .multipleChoice:
      requests = parts.choices.map { choice in
        task.contexts == nil
          ? .init(context: prefix + parts.text, continuation: task.targetDelimiter + choice)
          : .init(context: prefix + choice, continuation: task.targetDelimiter + parts.continuation)
      }
    case .loglikelihood:
      requests = [.init(context: prefix + parts.text, continuation: parts.continuation)]
    case .rolling:
      requests = [.init(context: "", continuation: parts.continuation)]
      let counted = try text(task.counted, "counted", parts.fields, row)
      (words, bytes) = (counted.pythonWords, counted.utf8.count)
    case .generate:
      requests = [.init(context: prefix + parts.text, continuation: "")]
    }
    return TaskDocument(
      id: id, line: row.line, row: row.value, target: parts.target, gold: parts.gold, choices: parts.choices,
      requests: requests, words: words, bytes: bytes)
  }

  // MARK: Parts of a row

  private struct Parts {
    let fields: JSONValue
    let text: String
    let choices: [String]
    let target: JSONValue
    let gold: Int?
    /// The target as text, where it is one.
    let continuation: String
  }

  private func parts(_ row: TaskRow) throws(TaskDataError) -> Parts {
    var fields = row.value
    if let layout {
      do throws(RowLayoutError) {
        fields = try layout(row.value)
      } catch {
        throw self.error(row, error.field, error.reason.expected, error.reason.found)
      }
    }
    let choices = try choices(fields, row)
    let target = try value(task.target, "doc_to_target", fields, row)
    let gold: Int?
    if let template = task.gold {
      gold = try index(try value(template, "gold", fields, row), "gold", choices, row)
    } else {
      gold = choices.isEmpty ? nil : try index(target, "doc_to_target", choices, row)
    }
    var continuation = ""
    if gold == nil || task.contexts != nil {
      guard let text = target.string, !text.isEmpty else {
        throw error(row, "doc_to_target", "a text", target == .string("") ? "an empty one" : target.kind)
      }
      continuation = text
    }
    let text = task.text == nil ? "" : try self.text(task.text, "doc_to_text", fields, row)
    return Parts(fields: fields, text: text, choices: choices, target: target, gold: gold, continuation: continuation)
  }

  private func choices(_ fields: JSONValue, _ row: TaskRow) throws(TaskDataError) -> [String] {
    let key = task.contexts == nil ? "doc_to_choice" : "contexts"
    var values: [JSONValue] = []
    switch task.contexts ?? task.choices {
    case nil: return []
    case .each(let templates):
      for template in templates { values.append(try value(template, key, fields, row)) }
    case .list(let template):
      let value = try value(template, key, fields, row)
      guard case .array(let items) = value else { throw error(row, key, "a list of choices", value.kind) }
      values = items
    }
    var texts: [String] = []
    for (number, value) in values.enumerated() {
      guard let text = value.string else { throw error(row, key, "a text for choice \(number)", value.kind) }
      guard !text.stripped().isEmpty else {
        throw error(row, key, "some text in choice \(number)", "an empty choice")
      }
      texts.append(text)
    }
    guard texts.count >= 2 else { throw error(row, key, "at least 2 choices", "\(texts.count)") }
    return texts
  }

  /// The index of the gold choice: a number, or the choice itself.
  private func index(
    _ value: JSONValue, _ key: String, _ choices: [String], _ row: TaskRow
  ) throws(TaskDataError) -> Int {
    switch value {
    case .integer(let index):
      guard choices.indices.contains(index) else {
        throw error(row, key, "the index of the gold choice in 0..<\(choices.count)", "\(index)")
      }
      return index
    case .string(let text):
      guard let index = choices.firstIndex(of: text) else {
        throw error(
          row, key, "the gold choice, one of \(choices.map { "'\($0)'" }.joined(separator: ", "))", "'\(text)'")
      }
      return index
    default: throw error(row, key, "the gold choice", value.kind)
    }
  }

  private func value(
    _ template: Template, _ key: String, _ fields: JSONValue, _ row: TaskRow
  ) throws(TaskDataError) -> JSONValue {
    do throws(TemplateError) {
      return try template.value(fields)
    } catch {
      throw self.error(row, key, error.expected, error.found)
    }
  }

  private func text(
    _ template: Template?, _ key: String, _ fields: JSONValue, _ row: TaskRow
  ) throws(TaskDataError) -> String {
    do throws(TemplateError) {
      return try template?.text(fields) ?? ""
    } catch {
      throw self.error(row, key, error.expected, error.found)
    }
  }

  private func error(_ row: TaskRow, _ key: String, _ expected: String, _ found: String) -> TaskDataError {
    .row(task: task.name, file: file, line: row.line, key: key, expected: expected, found: found)
  }
}
