/// Paths in the text of a recipe.
enum RecipePaths {
  /// The text of a recipe as it has to read in another place: comments and everything else stay.
  ///
  /// - Parameters:
  ///   - text: The recipe.
  ///   - source: Its file.
  ///   - copy: Where it will be.
  /// - Returns: The text; as it was where nothing in it is a path.
  static func moved(_ text: String, from source: String, to copy: String) -> String {
    let working = RecipeFiles.workingFolder
    let folder = { (file: String) in RecipeFiles.folder(of: RecipeFiles.absolute(file, from: working)) }
    let (old, new) = (folder(source), folder(copy))
    if old == new { return text }
    let reader = RecipeReader(folders: .init(recipe: old, working: working), checksFiles: false)
    var issues: [RecipeError.Issue] = []
    guard let root = RecipeNode.parse(text, issues: &issues, at: { .file(source, line: $0, column: $1) }) else {
      return text
    }
    _ = Recipe.decode(root, reader: reader, purpose: .finetune)
    var lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { Array($0) }
    // From the end of a line to its beginning: columns in front of a change stay.
    let paths = reader.paths.sorted { $0.position.order > $1.position.order }
    for (written, absolute, position) in paths {
      guard case .file(_, let line, let column) = position, lines.indices.contains(line - 1), !written.hasPrefix("/"),
        !written.hasPrefix("~"), leadsSomewhere(absolute),
        let range = token(written, in: lines[line - 1], at: column - 1)
      else { continue }
      let text = RecipeNode.text(RecipeFiles.relative(absolute, to: new)).flow
      lines[line - 1].replaceSubrange(range, with: text.unicodeScalars)
    }
    var result = String.UnicodeScalarView()
    for (index, line) in lines.enumerated() {
      if index > 0 { result.append("\n") }
      result.append(contentsOf: line)
    }
    return String(result)
  }

  private static func leadsSomewhere(_ path: String) -> Bool {
    let files = RecipeFiles.expand(path)
    return files == [path] ? RecipeFiles.isFile(path) != nil : !files.isEmpty
  }

  /// Where a value stands in its line, quotes included; nil for one that is written in another way, over several lines or with
  /// escapes.
  private static func token(_ value: String, in line: [Unicode.Scalar], at start: Int) -> Range<Int>? {
    for quote in ["", "\"", "'"] {
      let text = Array((quote + value + quote).unicodeScalars)
      if line.dropFirst(start).starts(with: text) { return start..<start + text.count }
    }
    return nil
  }
}
