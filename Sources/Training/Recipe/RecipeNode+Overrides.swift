internal import Formats
internal import Text

/// A change to a recipe: `key=value`, or `~key` to remove a key.
struct RecipeOverride: Sendable {
  /// The dotted key, split at its dots.
  var path: [String]
  /// The new value; `nil` removes the key.
  var value: RecipeNode?
  var position: RecipePosition

  /// Reads one command-line argument.
  ///
  /// - Returns: `nil` after an issue was added.
  static func parse(_ argument: String, number: Int, issues: inout [RecipeError.Issue]) -> RecipeOverride? {
    let position = RecipePosition.argument(number, argument)
    func fail(_ message: String) -> RecipeOverride? {
      issues.append(.init(position: position, key: "", message: message))
      return nil
    }
    if argument.hasPrefix("~") {
      let path = split(argument.dropFirst())
      return path.map { RecipeOverride(path: $0, value: nil, position: position) }
        ?? fail("expected ~key with a dotted key")
    }
    guard let equals = argument.firstIndex(of: "=") else {
      return fail("expected key=value or ~key, found no '='")
    }
    guard let path = split(argument[..<equals]) else { return fail("expected a dotted key before '='") }
    let text = String(argument[argument.index(after: equals)...])
    var problems: [RecipeError.Issue] = []
    let value = RecipeNode.parse(text, issues: &problems) { _, _ in position }
    issues += problems
    guard problems.isEmpty else { return nil }
    let null = RecipeNode(content: .scalar("", plain: true), position: position)
    return RecipeOverride(path: path, value: value ?? null, position: position)
  }

  /// The parts of a dotted key, `nil` when one of them is empty.
  static func split(_ key: some StringProtocol) -> [String]? {
    let dot: Character = "."
    let parts = String(key).split(separator: dot, omittingEmptySubsequences: false).map { String($0) }
    return parts.contains("") ? nil : parts
  }
}

extension RecipeNode {
  /// Applies one change. A map given for a section is merged into it key by key; everything else is replaced, so that
  /// `data.train={path: …}` leaves nothing of the old source behind.
  mutating func apply(_ change: RecipeOverride, sections: Set<String>, issues: inout [RecipeError.Issue]) {
    apply(change, rest: change.path[...], prefix: "", sections: sections, issues: &issues)
  }

  private mutating func apply(
    _ change: RecipeOverride, rest: ArraySlice<String>, prefix: String, sections: Set<String>,
    issues: inout [RecipeError.Issue]
  ) {
    guard let name = rest.first else { return }
    let path = prefix.isEmpty ? name : prefix + "." + name
    if isNull { content = .map([]) }
    guard case .map(var entries) = content else {
      let message = "expected a map of keys at '\(prefix)', found \(found); give '\(prefix)' as a whole"
      issues.append(.init(position: change.position, key: change.path.joined(separator: "."), message: message))
      return
    }
    let index = entries.firstIndex { $0.key == name }
    if rest.count > 1 {
      if index == nil, change.value == nil {
        issues.append(Self.nothingToRemove(change, entries: entries, name: name, prefix: prefix))
        return
      }
      var child = index.map { entries[$0].value } ?? RecipeNode(content: .map([]), position: change.position)
      child.apply(change, rest: rest.dropFirst(), prefix: path, sections: sections, issues: &issues)
      if let index {
        entries[index].value = child
      } else {
        entries.append(Entry(key: name, position: change.position, value: child))
      }
    } else if let value = change.value {
      if sections.contains(path), case .map(let parts) = value.content, let index {
        for part in parts {
          let inner = RecipeOverride(path: change.path + [part.key], value: part.value, position: part.position)
          entries[index].value.apply(inner, rest: [part.key], prefix: path, sections: sections, issues: &issues)
        }
      } else if let index {
        entries[index] = Entry(key: name, position: change.position, value: value)
      } else {
        entries.append(Entry(key: name, position: change.position, value: value))
      }
    } else if let index {
      entries.remove(at: index)
    } else {
      issues.append(Self.nothingToRemove(change, entries: entries, name: name, prefix: prefix))
      return
    }
    content = .map(entries)
  }

  private static func nothingToRemove(
    _ change: RecipeOverride, entries: [Entry], name: String, prefix: String
  ) -> RecipeError.Issue {
    let nearest = Spelling.nearest(to: name, in: entries.map(\.key))
    let hint = nearest.map { "; did you mean '\(prefix.isEmpty ? $0 : prefix + "." + $0)'?" } ?? ""
    return .init(
      position: change.position, key: change.path.joined(separator: "."),
      message: "nothing to remove, the recipe does not set it\(hint)")
  }
}
