internal import Formats
internal import Foundation

/// The table of lm-evaluation-harness, in Markdown: tasks, and groups below where there are any.
///
/// - Source: lm_eval 0.4.13, `make_table`; four decimals, and an exponent where that says more.
public struct HarnessTable {
  private let files: HarnessFiles

  /// The table of an evaluation.
  public init(_ files: HarnessFiles) { self.files = files }

  /// The lines.
  public var text: String {
    let tasks = table("Tasks", rows())
    return files.groups.isEmpty ? tasks : tasks + "\n\n" + table("Groups", groupRows(isIndented: true))
  }

  /// Groups with their tasks below them, then the other tasks by name.
  private func rows() -> [[String]] {
    let single = files.evaluation.tasks.filter { $0.task.definition.groups.isEmpty }
    let others = single.sorted { $0.task.definition.name < $1.task.definition.name }.flatMap { taskRows($0, depth: 0) }
    return groupRows(isIndented: true, withTasks: true) + others
  }

  private func groupRows(isIndented: Bool, withTasks: Bool = false) -> [[String]] {
    func visit(_ parent: String?, _ depth: Int) -> [[String]] {
      files.groups.filter { $0.parent == parent }.sorted { $0.group.name < $1.group.name }.flatMap { entry in
        let own = Self.lines(
          Self.indented(entry.group.alias, depth), entry.group.version, shots: " ", files.figures(of: entry.tasks))
        let inner = visit(entry.group.name, depth + 1)
        guard withTasks, inner.isEmpty else { return own + inner }
        let tasks = entry.tasks.sorted { $0.task.definition.name < $1.task.definition.name }
        return own + tasks.flatMap { taskRows($0, depth: depth + 1) }
      }
    }
    return visit(nil, 0)
  }

  private func taskRows(_ task: ScoredTask, depth: Int) -> [[String]] {
    let definition = task.task.definition
    return Self.lines(
      Self.indented(definition.alias, depth), definition.version, shots: "\(task.task.shots)",
      files.figures[definition.name] ?? [])
  }

  private static func indented(_ name: String, _ depth: Int) -> String {
    depth == 0 ? name : String(repeating: " ", count: depth) + "- " + name
  }

  private static func lines(
    _ name: String, _ version: Double, shots: String, _ figures: [TaskFigure]
  ) -> [[String]] {
    let sorted = figures.sorted { ($0.metric.rawValue, $0.filter) < ($1.metric.rawValue, $1.filter) }
    return sorted.enumerated().map { index, figure in
      [
        index == 0 ? name : "", index == 0 ? String(format: "%g", version) : "", figure.filter, shots,
        figure.metric.rawValue, figure.metric.isHigherBetter ? "↑" : "↓", decimal(figure.value, 4), "±",
        figure.standardError.map { decimal($0, 4) } ?? "N/A",
      ]
    }
  }

  /// Columns of numbers are aligned to the right.
  private func table(_ title: String, _ rows: [[String]]) -> String {
    let heads = [title, "Version", "Filter", "n-shot", "Metric", "", "Value", "", "Stderr"]
    let isRight = [false, true, false, true, false, false, true, false, true]
    let widths = heads.indices.map { column in max(3, ([heads] + rows).map { $0[column].count }.max() ?? 0) }
    func line(_ cells: [String]) -> String {
      "|"
        + cells.indices.map { column in
          let padding = String(repeating: " ", count: widths[column] - cells[column].count)
          return isRight[column] ? padding + cells[column] : cells[column] + padding
        }.joined(separator: "|") + "|"
    }
    func centred(_ cells: [String]) -> String {
      "|"
        + cells.indices.map { column in
          let padding = widths[column] - cells[column].count
          return String(repeating: " ", count: padding / 2) + cells[column]
            + String(repeating: " ", count: padding - padding / 2)
        }.joined(separator: "|") + "|"
    }
    let rule = heads.indices.map { column in
      String(repeating: "-", count: widths[column] - (isRight[column] ? 1 : 0)) + (isRight[column] ? ":" : "")
    }
    return ([centred(heads), "|" + rule.joined(separator: "|") + "|"] + rows.map(line)).joined(separator: "\n")
  }
}
