internal import Text

/// How the examples before a question are chosen; the words are those of lm-evaluation-harness.
enum ExampleOrder: String, Sendable, CaseIterable {
  /// For each question anew, by Python's generator.
  case random = "default"
  /// The first ones, before every question.
  case firstN = "first_n"
}

/// Chooses the examples that stand before each question, the same ones as lm-evaluation-harness does.
struct ExampleSampler {
  /// The harness's default for `--seed`'s last number.
  static let seed: UInt32 = 1234

  private let rows: [TaskRow]
  private let texts: [String]
  private let count: Int
  private let order: ExampleOrder
  private let leavesOutQuestion: Bool
  private var random = PythonRandom(seed: seed)

  /// A sampler.
  ///
  /// - Parameters:
  ///   - definition: The task.
  ///   - rows: Its rows of examples.
  ///   - count: Examples before each question.
  ///   - areQuestions: Whether `rows` are what is asked as well, and a question may not stand before itself.
  /// - Throws: ``TaskDataError`` for too few rows, and rows that lack something.
  init(_ definition: TaskDefinition, _ rows: TaskRows, count: Int, areQuestions: Bool) throws(TaskDataError) {
    // The harness compares the names of two splits. A task without a test split names neither, which it takes for the
    // same one: one example more is drawn, and a row that equals the question is left out.
    let isTest = definition.split == "test"
    leavesOutQuestion = areQuestions || definition.exampleSplit == (isTest ? definition.split : nil)
    (self.rows, self.count, order) = (rows.rows, count, definition.exampleOrder)
    let spare = leavesOutQuestion ? 1 : 0
    guard rows.rows.count >= count + spare else {
      let found = rows.rows.count
      throw .shots(
        task: definition.name, file: rows.file, expected: count + spare, found: found, most: max(found - spare, 0))
    }
    let builder = try DocumentBuilder(definition, rows)
    var texts: [String] = []
    for row in order == .firstN && !leavesOutQuestion ? rows.rows.prefix(count) : rows.rows[...] {
      texts.append(try builder.example(row))
    }
    self.texts = texts
  }

  /// The examples before a question, as one text; to be asked for in the order of the questions.
  mutating func examples(before question: TaskRow) -> String {
    if order == .firstN {
      let places = leavesOutQuestion ? rows.indices.filter { rows[$0].value != question.value } : Array(rows.indices)
      return text(places)
    }
    if !leavesOutQuestion { return text(random.sample(count, below: rows.count)) }
    let drawn = random.sample(count + 1, below: rows.count).filter { rows[$0].value != question.value }
    if drawn.count >= count { return text(drawn) }
    // Rows that are there twice.
    let others = rows.indices.filter { rows[$0].value != question.value }
    return text(random.sample(min(count, others.count), below: others.count).map { others[$0] })
  }

  private func text(_ places: [Int]) -> String { places.prefix(count).map { texts[$0] }.joined() }
}
