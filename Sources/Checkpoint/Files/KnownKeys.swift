/// What a reader knows of the keys of a foreign JSON object: anything else in it is an error, never dropped in silence.
struct KnownKeys {
  /// Keys that are read.
  let used: Set<String>
  /// Keys that change nothing here, whatever they say.
  let withoutEffect: Set<String>
  /// Keys that would change what is computed, each with what it would mean; they may say that they are off.
  let refused: [String: Refused]
  /// Whose keys these are, with versions.
  let origin: String

  /// A key that is accepted where it is off.
  struct Refused {
    /// What it would mean, as the end of "found …, ".
    let meaning: String
    /// What says off, beside `null`, `false` and what is empty.
    var off: StrictJSON?
  }

  /// Throws for the first key that is refused and not off, or not known and neither `null` nor `false`.
  ///
  /// - Parameters:
  ///   - json: An object; anything else has no keys.
  ///   - path: Its file.
  /// - Throws: ``FileError/unsupported(path:item:expected:found:)``.
  func check(_ json: StrictJSON, _ path: String) throws(FileError) {
    guard case .object(let members) = json else { return }
    for (key, value) in members where !used.contains(key) && !withoutEffect.contains(key) {
      if value == .null || value == .bool(false) { continue }
      guard let known = refused[key] else {
        let nearest = nearestName(to: key, in: used.union(withoutEffect).union(refused.keys).sorted())
        throw .unsupported(
          path: path, item: key, expected: "a key of \(origin)",
          found: "another, \(value.words), and nothing tells what it changes"
            + (nearest.map { " (did you mean '\($0)'?)" } ?? ""))
      }
      if value == known.off || value == .array([]) || value == .object([]) { continue }
      throw .unsupported(
        path: path, item: key, expected: known.off.map(\.words) ?? "nothing", found: "\(value.words), \(known.meaning)")
    }
  }
}

extension StrictJSON {
  /// The value in a message.
  var words: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .real(let value): "\(value)"
    case .string(let value): "'\(value)'"
    case .array: "a list"
    case .object: "an object"
    }
  }

  /// A number of either kind.
  var number: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .real(let value): value
    default: nil
    }
  }
}
