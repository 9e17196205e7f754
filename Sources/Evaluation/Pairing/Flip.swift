/// A question that one arm answers rightly and the reference does not, or the other way round.
public struct Flip: Codable, Equatable, Sendable {
  /// Whether the arm is right where the reference is wrong.
  public enum Direction: String, Codable, Sendable {
    /// Right where the reference is wrong.
    case gained
    /// Wrong where the reference is right.
    case lost
  }

  /// Name of the task.
  public let task: String
  /// The question's number.
  public let question: String
  /// The arm that is compared with the reference.
  public let arm: String
  /// Which way.
  public let direction: Direction
  /// Share of the arm's runs and of the reference's that are right: 0 or 1 with one run each.
  public let share: Double, referenceShare: Double
  /// The prompt; of a long one its end.
  public let prompt: String
  /// The choices; empty where the answer is free.
  public let choices: [String]
  /// The right answer, and those of the arm and of the reference (of the first run).
  public let gold: String, answer: String, referenceAnswer: String

  enum CodingKeys: String, CodingKey {
    case task, question, arm, direction, share, prompt, choices, gold, answer
    case referenceShare = "reference_share"
    case referenceAnswer = "reference_answer"
  }

  /// Characters of a prompt that are kept.
  private static let promptLength = 600

  /// The flips of one arm under a right-or-wrong metric, those that most runs agree on first.
  static func all(_ task: PairedTask, _ metric: PairedMetric, arm: (place: Int, name: String), reference: Int) -> [Flip]
  {
    let flips = task.questions.indices.compactMap { index -> Flip? in
      let (own, other) = (task.share(metric, arm.place, index), task.share(metric, reference, index))
      guard own != other else { return nil }
      let (mine, theirs) = (task.answers[arm.place][0][index].wording, task.answers[reference][0][index].wording)
      let prompt = mine.prompt
      return Flip(
        task: task.name, question: task.questions[index], arm: arm.name, direction: own > other ? .gained : .lost,
        share: own, referenceShare: other,
        prompt: prompt.count > promptLength ? "…" + prompt.suffix(promptLength) : prompt, choices: mine.choices,
        gold: mine.goldText, answer: mine.answer(metric.name), referenceAnswer: theirs.answer(metric.name))
    }
    return flips.enumerated().sorted { a, b in
      let (x, y) = (abs(a.element.share - a.element.referenceShare), abs(b.element.share - b.element.referenceShare))
      return x != y ? x > y : a.offset < b.offset
    }.map(\.element)
  }
}
