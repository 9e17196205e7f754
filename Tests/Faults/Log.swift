import Foundation
import Synchronization

/// One line a case: scenario, case, ending, findings. Its first line says which program it is about.
final class Log: Sendable {
  private struct Line {
    let scenario, fault, ending: String
    let kinds: [String]
  }
  private struct State {
    var lines: [Line] = []
    var done: Set<String> = []
    let file: FileHandle
  }
  private let state: Mutex<State>

  /// A log; what is there stays if that is wanted and it is about the same program.
  init(_ path: String, stamp: String, keeps: Bool) throws {
    let text = keeps ? (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" : ""
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if lines.first != stamp {
      lines = []
      try (stamp + "\n").write(toFile: path, atomically: true, encoding: .utf8)
    }
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    try file.seekToEnd()
    var state = State(file: file)
    for line in lines.dropFirst() {
      let words = line.components(separatedBy: "\t")
      guard words.count >= 4 else { continue }
      state.lines.append(
        Line(
          scenario: words[0], fault: words[1], ending: words[2], kinds: words[3].split(separator: ",").map(String.init))
      )
      state.done.insert(words[0] + "\t" + words[1])
    }
    self.state = Mutex(state)
  }

  func has(_ scenario: String, _ fault: String) -> Bool {
    state.withLock { $0.done.contains("\(scenario)\t\(fault)") }
  }

  func add(_ scenario: String, _ fault: String, _ outcome: Outcome) {
    let kinds = outcome.findings.map(\.kind.rawValue)
    let details = outcome.findings.map { Trial.brief($0.detail) }.joined(separator: " | ")
    let line = "\(scenario)\t\(fault)\t\(outcome.ending.rawValue)\t\(kinds.joined(separator: ","))\t\(details)\n"
    state.withLock { state in
      state.lines.append(Line(scenario: scenario, fault: fault, ending: outcome.ending.rawValue, kinds: kinds))
      state.file.write(Data(line.utf8))
    }
  }

  /// Cases with a finding.
  var findings: Int { state.withLock { $0.lines.count { !$0.kinds.isEmpty } } }

  /// The table of docs/reliability.md.
  func table(_ scenarios: [String]) -> String {
    let endings = Outcome.Ending.allCases.map(\.rawValue)
    let kinds = Finding.Kind.allCases.map(\.rawValue)
    let lines = state.withLock { $0.lines }
    func cells(_ lines: [Line]) -> [String] {
      ["\(lines.count)"] + endings.map { ending in "\(lines.count { $0.ending == ending })" }
        + [
          kinds.compactMap { kind in
            let count = lines.count { $0.kinds.contains(kind) }
            return count == 0 ? nil : "\(count) \(kind)"
          }.joined(separator: ", ")
        ]
    }
    var rows = [["scenario", "cases"] + endings + ["wrong"]]
    for scenario in scenarios { rows.append([scenario] + cells(lines.filter { $0.scenario == scenario })) }
    rows.append(["all"] + cells(lines.filter { scenarios.contains($0.scenario) }))
    let texts = rows.map { "| " + $0.map { $0.isEmpty ? "none" : $0 }.joined(separator: " | ") + " |" }
    return ([texts[0], "|---|" + String(repeating: "---:|", count: endings.count + 1) + "---|"] + texts.dropFirst())
      .joined(separator: "\n")
  }
}
