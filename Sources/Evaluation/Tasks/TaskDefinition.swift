internal import Formats
internal import Text

/// How a task is scored; the words are those of lm-evaluation-harness.
enum TaskOutput: String, Sendable, CaseIterable {
  /// Log-likelihoods of several continuations of one context, or of one continuation of several contexts.
  case multipleChoice = "multiple_choice"
  /// Log-likelihood of one continuation.
  case loglikelihood
  /// Log-likelihood of a whole text in windows.
  case rolling = "loglikelihood_rolling"
  /// A text that is generated greedily and compared.
  case generate = "generate_until"

  /// Metrics that fit.
  var metrics: [TaskMetric] {
    switch self {
    case .multipleChoice: [.acc, .accNorm, .accBytes]
    case .loglikelihood: [.perplexity, .acc]
    case .rolling: [.wordPerplexity, .bytePerplexity, .bitsPerByte]
    case .generate: [.exactMatch]
    }
  }
}

/// What is reported of a task.
enum TaskMetric: String, Sendable, CaseIterable {
  /// Share of documents whose gold choice has the highest log-likelihood, or whose continuation is the greedy one.
  case acc
  /// The same with log-likelihoods divided by the choice's length in Unicode scalars.
  case accNorm = "acc_norm"
  /// The same with its length in UTF-8 bytes.
  case accBytes = "acc_bytes"
  /// exp(−mean log-likelihood of a continuation).
  case perplexity
  /// exp(−Σ log-likelihood / Σ words).
  case wordPerplexity = "word_perplexity"
  /// exp(−Σ log-likelihood / Σ bytes).
  case bytePerplexity = "byte_perplexity"
  /// −Σ log-likelihood / Σ bytes / ln 2.
  case bitsPerByte = "bits_per_byte"
  /// Share of generated answers that equal the gold one.
  case exactMatch = "exact_match"

  /// Whether more is better.
  var isHigherBetter: Bool {
    switch self {
    case .acc, .accNorm, .accBytes, .exactMatch: true
    case .perplexity, .wordPerplexity, .bytePerplexity, .bitsPerByte: false
    }
  }
}

/// One way in which published files write a row: the task's fields made of theirs.
struct RowLayout: Sendable, Equatable {
  /// As in `original`, `hub`, `llm-foundry`.
  let name: String
  /// Fields in their order.
  let fields: [Field]

  /// One field of the task.
  struct Field: Sendable, Equatable {
    let name: String
    let template: Template
  }

  /// The task's row.
  func callAsFunction(_ row: JSONValue) throws(RowLayoutError) -> JSONValue {
    var members: [JSONValue.Member] = []
    for field in fields {
      do throws(TemplateError) {
        members.append(.init(key: field.name, value: try field.template.value(row)))
      } catch {
        throw RowLayoutError(field: field.name, reason: error)
      }
    }
    return .object(members)
  }
}

/// A row that a layout does not fit.
struct RowLayoutError: Error, Equatable {
  let field: String
  let reason: TemplateError
}

/// What is made of a generated text before it is compared.
struct ResponseFilter: Sendable, Equatable {
  /// As in `strict-match`.
  let name: String
  /// What is looked for.
  let pattern: Pattern
  /// Which of several matches counts; -1 for the last.
  let match: Int

  /// Numbers of matches that may be asked for.
  static let matches = -1000...1000

  /// What counts of a response; `[invalid]` where nothing matches.
  func callAsFunction(_ response: String) -> String {
    let found = pattern.matches(in: response)
    let place = match < 0 ? found.count + match : match
    guard found.indices.contains(place) else { return "[invalid]" }
    return (found[place].first ?? "[invalid]").stripped()
  }
}

/// A task, read from a YAML file; keys are lm-evaluation-harness's where they mean the same.
struct TaskDefinition: Sendable {
  /// Name, as in results and file names.
  var name: String
  /// What the table calls it.
  var alias: String
  /// Groups it belongs to, outermost first.
  var groups: [TaskGroup] = []
  /// How it is scored.
  let output: TaskOutput
  /// Split that is scored, and files that may hold it, in order of preference.
  let split: String
  var files: [String]
  /// Files that may hold the examples before a question; empty where they are drawn from the questions themselves.
  var exampleFiles: [String]
  /// Split of the examples, where the harness's task file names it.
  let exampleSplit: String?
  /// How examples are chosen.
  let exampleOrder: ExampleOrder
  /// Ways in which a row may be written; empty where rows have the task's fields.
  let layouts: [RowLayout]
  /// What stands before everything else.
  var description: String
  /// The context.
  let text: Template?
  /// One context a choice, in place of ``text``.
  let contexts: Choices?
  /// The choices.
  let choices: Choices?
  /// Gold choice by index or text, or the continuation.
  let target: Template
  /// Index of the gold context, beside ``contexts``.
  let gold: Template?
  /// The text whose words and bytes a rolling log-likelihood is divided by.
  let counted: Template?
  /// Stands between context and continuation.
  let targetDelimiter: String
  /// Stands between examples.
  let exampleDelimiter: String
  /// Examples before a question, unless said otherwise.
  let shots: Int
  /// What is reported.
  let metrics: [TaskMetric]
  /// For generation.
  let generation: Generation
  /// Version of the harness's task that this one follows.
  let version: Double
  /// As it was written, for the results.
  let file: String

  /// A list of choices: one template that gives a list, or a list of templates.
  enum Choices: Sendable, Equatable {
    case list(Template)
    case each([Template])
  }

  /// How an answer is generated and compared.
  struct Generation: Sendable, Equatable {
    /// Texts that end it.
    var until: [String] = []
    /// Most new tokens.
    var maxTokens = 256
    /// What is made of it, each counted apart.
    var filters: [ResponseFilter] = []
    /// Case does not count.
    var ignoresCase = false
    /// Taken out of both sides.
    var ignored: [Pattern] = []
  }
}

/// A group of tasks with a common mean.
struct TaskGroup: Sendable, Hashable {
  let name: String
  let alias: String
  let version: Double
}
