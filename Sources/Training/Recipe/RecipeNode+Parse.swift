internal import Yams

extension RecipeNode {
  /// Reads YAML text.
  ///
  /// Yams stops at the first repeated key. To go on and report the rest as well, the first letter of the earlier
  /// twin is replaced by a private-use character, one scalar for one, so that no column moves; `convert` finds the
  /// mark and reports the later twin.
  ///
  /// - Parameters:
  ///   - yaml: One document.
  ///   - issues: Receives syntax errors and repeated keys.
  ///   - place: Turns a mark into a position.
  /// - Returns: `nil` for text that is not YAML or has no content.
  static func parse(
    _ yaml: String, issues: inout [RecipeError.Issue], at place: (_ line: Int, _ column: Int) -> RecipePosition
  ) -> RecipeNode? {
    guard yaml.utf8.count <= YAMLFile.mostBytes else {
      issues.append(
        .init(
          position: place(1, 1), key: "",
          message: "expected at most \(YAMLFile.mostBytes) bytes of YAML, found \(yaml.utf8.count)"))
      return nil
    }
    var yaml = yaml
    var attempts: UInt32 = 0
    // Each repeated key costs another reading of the whole text.
    let mostAttempts = UInt32(max(8, min(1000, mostRepeatedBytes / max(1, yaml.utf8.count))))
    while true {
      do {
        guard let root = try Yams.compose(yaml: yaml) else { return nil }
        guard count(root, upTo: mostValues) <= mostValues else {
          issues.append(
            .init(
              position: place(1, 1), key: "",
              message: "expected at most \(mostValues) values, found more: aliases that repeat each other"))
          return nil
        }
        return convert(root, path: "", issues: &issues, at: place)
      } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
        attempts += 1
        if attempts < mostAttempts, disguise(&yaml, line: context.mark.line, column: context.mark.column, by: attempts)
        {
          continue
        }
        let position = place(context.mark.line, context.mark.column)
        issues.append(.init(position: position, key: keys.joined(separator: ", "), message: "given more than once"))
      } catch {
        issues.append(syntax(error, at: place))
      }
      return nil
    }
  }

  /// A recipe has some hundred values. A few lines of aliases of aliases have thousands of millions.
  private static let mostValues = 100_000

  /// Bytes that are read again and again to find all keys that are given twice.
  private static let mostRepeatedBytes = 4_000_000

  /// Values in a tree; stops counting above `limit`.
  private static func count(_ node: Node, upTo limit: Int) -> Int {
    var found = 1
    let children: [Node]
    switch node {
    case .scalar, .alias: children = []
    case .sequence(let items): children = Array(items)
    case .mapping(let pairs): children = pairs.map(\.value)
    }
    for child in children where found <= limit { found += count(child, upTo: limit - found) }
    return found
  }

  /// Marks of keys that were given again later in the same map.
  private static let disguises: ClosedRange<UInt32> = 0xE000...0xE3E8

  private static func disguise(_ yaml: inout String, line: Int, column: Int, by number: UInt32) -> Bool {
    var scalars = Array(yaml.unicodeScalars)
    var start = 0
    for _ in 1..<max(line, 1) {
      guard let newline = scalars[start...].firstIndex(of: "\n") else { return false }
      start = newline + 1
    }
    var index = start + column - 1
    if index < scalars.count, scalars[index] == "\"" || scalars[index] == "'" { index += 1 }
    guard index < scalars.count, scalars[index].properties.isAlphabetic,
      let mark = Unicode.Scalar(disguises.lowerBound + number)
    else { return false }
    scalars[index] = mark
    var text = String.UnicodeScalarView()
    text.append(contentsOf: scalars)
    yaml = String(text)
    return true
  }

  private static func convert(
    _ node: Node, path: String, issues: inout [RecipeError.Issue], at place: (Int, Int) -> RecipePosition
  ) -> RecipeNode {
    let position = place(node.mark?.line ?? 1, node.mark?.column ?? 1)
    if let tag = foreignTag(node) {
      issues.append(
        .init(
          position: position, key: path,
          message: "expected a value without a tag, found '\(tag)'; code and types of other programs are not read"))
    }
    switch node {
    case .scalar(let scalar):
      let plain = scalar.style == .plain || scalar.style == .any
      return RecipeNode(content: .scalar(scalar.string, plain: plain), position: position)
    case .sequence(let items):
      let items = items.map { convert($0, path: path, issues: &issues, at: place) }
      return RecipeNode(content: .list(items), position: position)
    case .mapping(let pairs):
      var entries: [Entry] = []
      var twins: [(letters: String, line: Int)] = []
      for (keyNode, valueNode) in pairs {
        let keyPosition = place(keyNode.mark?.line ?? 1, keyNode.mark?.column ?? 1)
        guard let key = keyNode.scalar?.string else {
          issues.append(.init(position: keyPosition, key: path, message: "expected a key, found a list or map"))
          continue
        }
        if let first = key.unicodeScalars.first, disguises.contains(first.value) {
          twins.append((String(String.UnicodeScalarView(key.unicodeScalars.dropFirst())), keyNode.mark?.line ?? 1))
          continue
        }
        let keyPath = path.isEmpty ? key : path + "." + key
        if let twin = twins.last(where: {
          $0.letters == String(String.UnicodeScalarView(key.unicodeScalars.dropFirst()))
        }) {
          let message = "given twice, before in line \(twin.line); remove one"
          issues.append(.init(position: keyPosition, key: keyPath, message: message))
        }
        let value = convert(valueNode, path: keyPath, issues: &issues, at: place)
        entries.append(Entry(key: key, position: keyPosition, value: value))
      }
      return RecipeNode(content: .map(entries), position: position)
    case .alias:
      preconditionFailure("RecipeNode.parse: Yams resolves aliases while composing, found one left")
    }
  }

  /// The tag of a node if it is none of YAML's own, as in `!function utils.process_docs`.
  private static func foreignTag(_ node: Node) -> String? {
    let tag: String
    switch node {
    case .scalar(let scalar): tag = scalar.tag.description
    case .sequence(let sequence): tag = sequence.tag.description
    case .mapping(let mapping): tag = mapping.tag.description
    case .alias: return nil
    }
    let own = ["", "!"] + ["str", "int", "float", "bool", "null", "seq", "map"].map { "tag:yaml.org,2002:" + $0 }
    return own.contains(tag) ? nil : tag
  }

  private static func syntax(_ error: any Error, at place: (Int, Int) -> RecipePosition) -> RecipeError.Issue {
    switch error as? YamlError {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      let context = context.map { "\($0.text) from line \($0.mark.line): " } ?? ""
      return .init(
        position: place(mark.line, mark.column), key: "", message: "expected YAML, \(context)\(problem)")
    case .reader(let problem, let offset, _, _):
      let at = offset.map { " at character \($0)" } ?? ""
      return .init(position: place(1, 1), key: "", message: "expected YAML text, \(problem)\(at)")
    default:
      return .init(position: place(1, 1), key: "", message: "expected YAML, found text that cannot be read: \(error)")
    }
  }
}
