/// Reads small YAML files, such as topologies and evaluation tasks, with the recipes' machinery: every issue with its place in
/// the file, unknown keys with the nearest known one.
package enum SmallFile {
  /// Reads a file from its root.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - kind: What it should be, for messages.
  ///   - example: A path to try.
  ///   - decode: Reads the root completely.
  /// - Returns: What `decode` returns.
  /// - Throws: `RecipeError` with everything that is wrong.
  package static func read<Value>(
    _ path: String, kind: String, example: String, _ decode: (RecipeSection) -> Value
  ) throws(RecipeError) -> Value {
    let text: String
    do {
      text = try YAMLFile.text(path)
    } catch {
      throw RecipeError([
        .init(
          position: .whole(file: path), key: "",
          message: "expected \(kind) in UTF-8\(error.limit), found \(error.found); try \(example)")
      ])
    }
    return try parse(text, file: path, kind: kind, example: example, decode)
  }

  /// The same from text; `nullIsAbsent` says that a key whose value is null is as good as not written.
  package static func parse<Value>(
    _ text: String, file: String, kind: String, example: String, nullIsAbsent: Bool = false,
    _ decode: (RecipeSection) -> Value
  ) throws(RecipeError) -> Value {
    let reader = RecipeReader(folders: .init(recipe: "", working: ""), checksFiles: false)
    let place = { RecipePosition.file(file, line: $0, column: $1) }
    guard let root = RecipeNode.parse(text, issues: &reader.issues, at: place) else {
      if reader.issues.isEmpty { reader.report("", place(1, 1), "expected \(kind), found nothing; try \(example)") }
      throw RecipeError(reader.issues)
    }
    let content = nullIsAbsent ? root.withoutNulls : root
    let section = RecipeSection(content, path: "", position: place(1, 1), reader: reader)
    _ = section.int("version", in: 1...1, default: 1)
    let value = decode(section)
    section.finish()
    reader.finish()
    guard reader.issues.isEmpty else { throw RecipeError(reader.issues) }
    return value
  }
}

extension RecipeNode {
  /// Maps without the keys whose values are null.
  fileprivate var withoutNulls: RecipeNode {
    var copy = self
    switch content {
    case .scalar: break
    case .list(let items): copy.content = .list(items.map(\.withoutNulls))
    case .map(let entries):
      copy.content = .map(
        entries.filter { !$0.value.isNull }.map { entry in
          .init(key: entry.key, position: entry.position, value: entry.value.withoutNulls)
        })
    }
    return copy
  }
}

extension RecipeSection {
  /// A number that must be written; 1 where it is missing, which is reported.
  func requiredDouble(_ key: String, _ rule: NumberRule) -> Double {
    if node(key) == nil {
      reader.report(path(of: key), position, "expected \(rule.words), found no such key")
    }
    return double(key, rule, default: 1)
  }
}
