internal import Formats

/// A study as one page (``Page``). Parts whose data a study lacks are left out; of more than eight arms, pictures show the
/// reference and the best of each limit in colour, and tables all.
public struct Report: Sendable {
  let study: Study
  let comparison: Comparison
  /// The same arms on tasks; nil without any.
  let tasks: QualityComparison?

  /// A report of a study, of the comparison made from it, and of the tasks that its arms were scored on.
  public init(study: Study, comparison: Comparison, tasks: QualityComparison? = nil) {
    (self.study, self.comparison, self.tasks) = (study, comparison, tasks)
  }

  /// Names of arms in the order of the table: their place decides colour and marker everywhere on the page.
  var arms: [String] {
    var arms: [String] = []
    for result in comparison.results where !arms.contains(result.arm) { arms.append(result.arm) }
    return arms
  }

  /// The place of an arm among all arms; among too many to tell apart, that of a leader among leaders, 0 (grey) for others.
  func series(_ arm: String) -> Int {
    if isCrowded { return leaders.firstIndex { $0.arm == arm }.map { $0 + 1 } ?? 0 }
    return arms.firstIndex(of: arm) ?? arms.count
  }

  /// An arm's name as it fits into a picture.
  func brief(_ arm: String) -> String { arm.count <= 20 ? arm : arm.prefix(19) + "…" }

  /// Space that direct labels need on the right, in the units of a picture.
  static func margin(for labels: [String]) -> Double { 24 + 8.8 * Double(labels.map(\.count).max() ?? 0) }

  /// The cells evaluated as they were trained, which one would deploy.
  var matched: [CellResult] { comparison.results.filter(\.isMatched) }

  /// Whether there are too many arms to draw and name each in one picture.
  var isCrowded: Bool { arms.count > 8 }

  /// The reference, and of every limit under which arms were trained the one with the lowest loss: what is drawn where not
  /// all arms can be.
  var leaders: [CellResult] {
    var limits: [Int?] = []
    for result in matched where !limits.contains(result.trainedLimit) { limits.append(result.trainedLimit) }
    let best = limits.compactMap { limit in
      matched.filter { $0.trainedLimit == limit && !$0.isReference }.min { $0.loss < $1.loss }
    }
    return matched.filter(\.isReference) + best
  }

  /// The whole page.
  public var html: String {
    Page(
      subject: study.facts.model, kind: "Collaboration-pruned fine-tuning", headline: comparison.headline,
      verdict: comparison.verdict, cards: (isCrowded ? leaders : matched).prefix(Self.cards).map(card),
      sections: (isCrowded ? [forests, quality, matrix, margins] : [matrix, margins, quality]) + answers
        + [curves, placement, flow, heatMaps, layers, [facts, definitions]],
      footer: "Occult \(study.facts.version). Numbers behind this page: comparison.json beside it."
    ).html
  }

  /// The arms on tasks; of many arms, only the leaders' questions are told.
  private var answers: [[Markup]] {
    guard let tasks else { return [] }
    return QualityReport(tasks, version: study.facts.version)
      .parts(toldOf: isCrowded ? leaders.map(\.arm) : tasks.arms.map(\.name))
  }

  /// Most cards at the head of the page; the matrix has the rest.
  private static let cards = 6

  private func card(_ result: CellResult) -> Markup {
    let reference = comparison.reference
    let bytes = result.communication.bytes
    let change = reference.map { $0.communication.bytes > 0 ? bytes / $0.communication.bytes - 1 : 0 }
    let isBest = isCrowded && !result.isReference
    return Page.card(
      series: series(result.arm), name: result.arm,
      note: (result.evaluatedLimit.map { "at most \($0) of \(counted(study.facts.devices, "device"))" } ?? "no limit")
        + (isBest
          ? ", lowest loss of \(matched.count { $0.trainedLimit == result.trainedLimit && !$0.isReference })" : ""),
      figures: [
        ("loss", Numbers.fixed(result.loss, 3), difference(result)),
        (
          "bytes / token", Numbers.grouped(Int(bytes.rounded())),
          result.isReference ? "reference" : change.map(Page.change) ?? ""
        ),
        (
          "devices / token", Numbers.fixed(result.communication.devicesPerToken, 2),
          "imbalance \(Numbers.fixed(result.communication.imbalanceRows, 2))"
        ),
      ])
  }

  private func difference(_ result: CellResult) -> String {
    if result.isReference { return "reference" }
    guard let difference = result.difference else { return "" }
    let verdict =
      switch difference.outcome {
      case .better: "better"
      case .worse: "worse"
      case .noneShown: "no difference shown"
      }
    return "\(Numbers.signed(difference.mean, 3)) · \(verdict)"
  }

  /// The names of arms with their marker and colour.
  func legend(_ names: [String]) -> Markup {
    tag("ul", ["class": "legend"]) {
      for name in names {
        tag("li") {
          tag("svg", ["viewBox": "0 0 26 14", "aria-hidden": "true"]) {
            SVG.line(0, 7, 26, 7, class: "path s\(series(name) % 6)")
            SVG.marker(13, 7, series: series(name))
          }
          name
        }
      }
    }
  }
}
