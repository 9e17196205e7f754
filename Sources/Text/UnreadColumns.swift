/// Names of columns or keys of a file that nothing reads, each once, in the order in which they appear.
package struct UnreadColumns: Sendable, Equatable {
  /// The names.
  package private(set) var names: [String] = []
  private var seen: Set<String> = []

  package init() {}

  /// Notes a name.
  package mutating func add(_ name: String) {
    if seen.insert(name).inserted { names.append(name) }
  }
}
