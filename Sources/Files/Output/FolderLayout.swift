/// The names that this program writes in a folder, as patterns of paths below it.
///
///     FolderLayout(["recipe.yaml", "checkpoints/step-*.h5", "tasks/**/results_*.json"])
///
/// `*` stands for any characters but a slash, `**` as a whole part for any folders, none as well. Every file may also
/// be there under its temporary name, with `.tmp` behind it.
package struct FolderLayout: Sendable, Equatable {
  private let patterns: [[String]]

  /// A layout of these patterns.
  package init(_ patterns: [String]) { self.patterns = patterns.map(Self.parts) }

  /// This layout with claimed folders of another one in a folder of it, `arms/**`.
  package func adding(_ other: FolderLayout, under folder: String) -> FolderLayout {
    let marks = [[OutputFolder.markerName], [FolderLock.name]]
    return FolderLayout(patterns: patterns + (other.patterns + marks).map { Self.parts(folder) + $0 })
  }

  private init(patterns: [[String]]) { self.patterns = patterns }

  /// Whether a file of this path, relative to the folder, is one that we write.
  package func hasFile(_ path: String) -> Bool {
    let parts = Self.parts(path)
    guard let name = parts.last else { return false }
    let whole = name.hasSuffix(".tmp") ? parts.dropLast() + [String(name.dropLast(4))] : parts[...]
    return patterns.contains { Self.matches($0[...], parts[...]) || Self.matches($0[...], whole) }
  }

  /// Whether a folder of this path, relative to the folder, is one that files of ours lie in.
  package func hasFolder(_ path: String) -> Bool {
    let parts = Self.parts(path)[...]
    return patterns.contains { Self.begins($0[...], parts) }
  }

  private static func parts(_ path: String) -> [String] { path.split(separator: "/").map(String.init) }

  /// Whether `parts` is a whole path of the pattern.
  private static func matches(_ pattern: ArraySlice<String>, _ parts: ArraySlice<String>) -> Bool {
    guard let first = pattern.first else { return parts.isEmpty }
    if first == "**" {
      return matches(pattern.dropFirst(), parts) || (!parts.isEmpty && matches(pattern, parts.dropFirst()))
    }
    guard let name = parts.first, fits(Array(first.utf8)[...], Array(name.utf8)[...]) else { return false }
    return matches(pattern.dropFirst(), parts.dropFirst())
  }

  /// Whether `parts` is the beginning of a path of the pattern, its last part left out.
  private static func begins(_ pattern: ArraySlice<String>, _ parts: ArraySlice<String>) -> Bool {
    guard let name = parts.first else { return !pattern.isEmpty }
    guard let first = pattern.first, pattern.count > 1 else { return false }
    if first == "**" { return true }
    return fits(Array(first.utf8)[...], Array(name.utf8)[...]) && begins(pattern.dropFirst(), parts.dropFirst())
  }

  /// Whether a name fits a pattern with at most a few `*`.
  private static func fits(_ pattern: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>) -> Bool {
    guard let first = pattern.first else { return name.isEmpty }
    if first == UInt8(ascii: "*") {
      return fits(pattern.dropFirst(), name) || (!name.isEmpty && fits(pattern, name.dropFirst()))
    }
    return name.first == first && fits(pattern.dropFirst(), name.dropFirst())
  }
}
