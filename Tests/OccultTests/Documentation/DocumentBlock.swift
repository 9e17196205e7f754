import Foundation

/// A piece of a document that shows text as it is: between fences, or indented by four spaces.
struct DocumentBlock: Sendable {
  /// Relative to the repository.
  let file: String
  /// Of its first line of text.
  let line: Int
  /// What stands behind the opening fence; nil for an indented piece.
  let language: String?
  let text: String
  /// The reason in `<!-- not run: … -->` in the line before it.
  let mark: String?

  /// Words that a line of commands begins with.
  private static let commands = ["occult", "mpirun", "make", "python", "python3", "lm_eval", "scripts/", "git", "sudo"]

  /// Whether a line looks like something to type.
  var hasCommands: Bool {
    text.split(separator: "\n").contains { line in
      let word = line.drop { $0 == " " || $0 == "$" }.prefix { $0 != " " }
      return Self.commands.contains { $0.hasSuffix("/") ? word.hasPrefix($0) : word == $0 }
    }
  }

  /// README, and what lies in `docs` and `checkpoints`.
  static func documents() throws -> [String] {
    let root = CommandLineTests.root
    let docs = try FileManager.default.contentsOfDirectory(atPath: root + "/docs").sorted()
    return ["README.md"] + docs.filter { $0.hasSuffix(".md") }.map { "docs/" + $0 } + ["checkpoints/README.md"]
  }

  static func text(of file: String) throws -> String {
    try String(contentsOfFile: CommandLineTests.root + "/" + file, encoding: .utf8)
  }

  /// All pieces of a document in their order.
  static func blocks(of file: String) throws -> [DocumentBlock] {
    let lines = try text(of: file).components(separatedBy: "\n")
    var (blocks, index, mark): ([DocumentBlock], Int, String?) = ([], 0, nil)
    while index < lines.count {
      let line = lines[index]
      let start = index
      if line.hasPrefix("```") {
        let end = lines[(index + 1)...].firstIndex { $0.hasPrefix("```") } ?? lines.count
        blocks.append(
          DocumentBlock(
            file: file, line: start + 2, language: String(line.dropFirst(3)),
            text: lines[(start + 1)..<end].joined(separator: "\n"), mark: mark))
        index = end
      } else if line.hasPrefix("    "), start == 0 || lines[start - 1].isEmpty || mark != nil {
        while index + 1 < lines.count, lines[index + 1].hasPrefix("    ") { index += 1 }
        blocks.append(
          DocumentBlock(
            file: file, line: start + 1, language: nil, text: lines[start...index].joined(separator: "\n"), mark: mark))
      }
      let words = line.hasPrefix("<!-- not run: ") && line.hasSuffix(" -->")
      if words { mark = String(line.dropFirst(14).dropLast(4)) } else if !line.isEmpty { mark = nil }
      index += 1
    }
    return blocks
  }

  /// Commands of `occult` that stand between back-quotes in sentences and tables.
  static func inlineCommands(of file: String) throws -> [String] {
    var text = try text(of: file)
    for block in try blocks(of: file) { text = text.replacing(block.text, with: "") }
    let spans = text.replacing("\n", with: " ").split(separator: "`", omittingEmptySubsequences: false)
    return spans.enumerated().filter { $0.offset % 2 == 1 && $0.element.hasPrefix("occult ") }.map {
      String($0.element)
    }
  }
}
