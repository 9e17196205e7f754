extension JSONValue {
  /// JSON as Python's `json.dumps(value, ensure_ascii=False, indent=indent)` writes it, byte for byte: files that other
  /// tools hash or compare line by line.
  ///
  /// Numbers are finite: JSON has no others.
  ///
  /// - Parameter indent: Spaces a level; everything on one line if nil.
  /// - Returns: The text, without a line end behind it.
  package func text(indent: Int? = nil) -> String {
    var result = ""
    append(to: &result, indent: indent, level: 0)
    return result
  }

  private func append(to text: inout String, indent: Int?, level: Int) {
    func list<Items: Collection>(
      _ items: Items, _ open: String, _ close: String, _ body: (Items.Element, inout String) -> Void
    ) {
      if items.isEmpty {
        text += open + close
        return
      }
      let line = indent.map { "\n" + String(repeating: " ", count: $0 * (level + 1)) }
      text += open
      var isFirst = true
      for item in items {
        text += (isFirst ? "" : line == nil ? ", " : ",") + (line ?? "")
        isFirst = false
        body(item, &text)
      }
      text += (indent.map { "\n" + String(repeating: " ", count: $0 * level) } ?? "") + close
    }
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .integer(let value): text += "\(value)"
    case .number(let value):
      precondition(value.isFinite, "JSONValue: expected a finite number, found \(value)")
      text += "\(value)"
    case .string(let value): Self.quote(value, into: &text)
    case .array(let values):
      list(values, "[", "]") { $0.append(to: &$1, indent: indent, level: level + 1) }
    case .object(let members):
      list(members, "{", "}") { member, text in
        Self.quote(member.key, into: &text)
        text += ": "
        member.value.append(to: &text, indent: indent, level: level + 1)
      }
    }
  }

  /// Text as a JSON string, quotes included.
  package static func quoted(_ text: String) -> String {
    var result = ""
    quote(text, into: &result)
    return result
  }

  private static func quote(_ value: String, into text: inout String) {
    text += "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{8}": text += "\\b"
      case "\u{C}": text += "\\f"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
