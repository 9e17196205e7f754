extension RecipeNode {
  /// YAML in block style with two-space indentation; lists of scalars and empty maps stay on one line.
  func yaml(indent: Int = 0) -> String {
    guard case .map(let entries) = content else { return flow }
    let pad = String(repeating: " ", count: indent)
    return entries.map { entry in
      let key = pad + Self.text(entry.key).flow + ":"
      switch entry.value.content {
      case .map(let inner) where !inner.isEmpty:
        return key + "\n" + entry.value.yaml(indent: indent + 2)
      case .list(let items) where items.contains(where: \.isMap):
        let lines = items.map { "\(pad)  - \($0.flow)\n" }
        return key + "\n" + lines.joined()
      default:
        return key + " " + entry.value.flow + "\n"
      }
    }.joined()
  }

  /// YAML in flow style, on one line.
  var flow: String {
    switch content {
    case .scalar("", plain: true): "null"
    case .scalar(let text, plain: true): Self.isSafeWord(text) ? text : Self.quoted(text)
    case .scalar(let text, plain: false): Self.quoted(text)
    case .list(let items): "[" + items.map(\.flow).joined(separator: ", ") + "]"
    case .map(let entries):
      "{" + entries.map { "\(Self.text($0.key).flow): \($0.value.flow)" }.joined(separator: ", ") + "}"
    }
  }

  /// Whether plain text keeps its meaning between the brackets and commas of flow style: numbers and words do.
  private static func isSafeWord(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { scalar in
      ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar)
        || "+-._/~".unicodeScalars.contains(scalar)
    }
  }

  private var isMap: Bool {
    if case .map = content { return true }
    return false
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      default:
        // YAML's double-quoted style knows C's \U escape with eight digits for everything unprintable.
        let printable =
          (0x20...0x7e).contains(scalar.value) || (0xa0...0xd7ff).contains(scalar.value)
          || (0xf900...0xfefe).contains(scalar.value) || scalar.value >= 0x10000
        if printable {
          result.unicodeScalars.append(scalar)
        } else {
          let digits = String(scalar.value, radix: 16)
          result += "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
        }
      }
    }
    return result + "\""
  }
}
