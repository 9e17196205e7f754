/// What a reader knows of the keys of a foreign JSON object: anything else in it is a problem, never dropped in
/// silence.
package struct KnownKeys: Sendable {
  /// Keys that are read.
  package let used: Set<String>
  /// Keys that change nothing here, whatever they say.
  package let withoutEffect: Set<String>
  /// Keys that would change what is computed, each with what it would mean; they may say that they are off.
  package let refused: [String: Refused]
  /// Whose keys these are, with versions.
  package let origin: String

  /// A key that is accepted where it is off.
  package struct Refused: Sendable {
    /// What it would mean, as the end of "found …, ".
    package let meaning: String
    /// What says off, beside `null`, what is empty and, unless this is `true`, `false`.
    package let off: JSONValue?

    package init(meaning: String, off: JSONValue? = nil) {
      (self.meaning, self.off) = (meaning, off)
    }
  }

  /// A key that is refused or not known, in words for an error or a warning of the reader's.
  package struct Problem: Equatable, Sendable {
    package let key: String
    package let expected: String
    package let found: String
    /// Whether nothing is known of it; otherwise it is refused.
    package let isUnknown: Bool
  }

  package init(
    used: Set<String>, withoutEffect: Set<String> = [], refused: [String: Refused] = [:], origin: String
  ) {
    (self.used, self.withoutEffect, self.refused, self.origin) = (used, withoutEffect, refused, origin)
  }

  /// Finds what is refused and not off, and what is not known and neither `null` nor `false`.
  ///
  /// - Parameter json: An object; anything else has no keys.
  /// - Returns: A problem for each such key, in the order of the object.
  package func problems(in json: JSONValue) -> [Problem] {
    guard case .object(let members) = json else { return [] }
    return members.compactMap { problem($0.key, $0.value) }
  }

  private func problem(_ key: String, _ value: JSONValue) -> Problem? {
    if used.contains(key) || withoutEffect.contains(key) || value == .null { return nil }
    guard let known = refused[key] else {
      if value == .bool(false) { return nil }
      let nearest = Spelling.nearest(to: key, in: used.union(withoutEffect).union(refused.keys).sorted())
      return Problem(
        key: key, expected: "a key of \(origin)",
        found: "another, \(value.kind), and nothing tells what it changes"
          + (nearest.map { " (did you mean '\($0)'?)" } ?? ""), isUnknown: true)
    }
    // Where true is off, false is what the key would mean.
    let isFalse = value == .bool(false) && known.off != .bool(true)
    if isFalse || known.off.map(value.equals) == true || value == .array([]) || value == .object([]) { return nil }
    return Problem(
      key: key, expected: known.off.map(\.kind) ?? "nothing", found: "\(value.kind), \(known.meaning)",
      isUnknown: false)
  }
}
