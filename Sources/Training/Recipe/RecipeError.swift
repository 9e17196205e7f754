/// Where a value of a recipe was written.
public enum RecipePosition: Sendable, Hashable, CustomStringConvertible {
  /// A place in a file; line and column count from 1, columns in Unicode scalars.
  case file(String, line: Int, column: Int)
  /// A file as a whole, when it cannot be read.
  case whole(file: String)
  /// A `key=value` argument with its number on the command line; the recipe itself is argument 1.
  case argument(Int, String)
  /// A recipe that came from a value of this program, not from text.
  case resolved

  /// The form that editors and terminals turn into a link: `recipe.yaml:3:5`.
  public var description: String {
    switch self {
    case .file(let file, let line, let column): "\(file):\(line):\(column)"
    case .whole(let file): file
    case .argument(let number, let text): "argument \(number): \(text)"
    case .resolved: "recipe"
    }
  }

  /// Reading order: the file from top to bottom, then the arguments from left to right.
  var order: (Int, Int, Int) {
    switch self {
    case .whole: (0, 0, 0)
    case .file(_, let line, let column): (1, line, column)
    case .argument(let number, _): (2, number, 0)
    case .resolved: (3, 0, 0)
    }
  }
}

/// Everything that is wrong with a recipe, found in one go before any work begins.
public struct RecipeError: Error, Equatable, CustomStringConvertible {
  /// One thing that is wrong.
  public struct Issue: Sendable, Hashable, CustomStringConvertible {
    /// Where it was written.
    public let position: RecipePosition
    /// The dotted key concerned; empty where no key is.
    public let key: String
    /// What was expected, what was found, what to try.
    public let message: String

    /// An issue with `key` at `position`.
    public init(position: RecipePosition, key: String, message: String) {
      self.position = position
      self.key = key
      self.message = message
    }

    /// `recipe.yaml:3:5: train.experts: expected …, found …`; the key is left out where the argument shows it already.
    public var description: String {
      if key.isEmpty || isNamedByArgument { return "\(position): \(message)" }
      return "\(position): \(key): \(message)"
    }

    private var isNamedByArgument: Bool {
      guard case .argument(_, let text) = position else { return false }
      return text.hasPrefix(key + "=") || text == "~" + key
    }
  }

  /// The issues in reading order, at least one.
  public let issues: [Issue]

  /// Sorts `issues` into reading order and drops repetitions.
  public init(_ issues: [Issue]) {
    precondition(!issues.isEmpty, "RecipeError: needs at least one issue, found none")
    var seen: Set<Issue> = []
    let unique = issues.filter { seen.insert($0).inserted }
    self.issues = unique.enumerated().sorted { a, b in
      a.element.position.order == b.element.position.order
        ? a.offset < b.offset : a.element.position.order < b.element.position.order
    }.map(\.element)
  }

  /// One line for each issue.
  public var description: String {
    issues.map(\.description).joined(separator: "\n")
  }
}
