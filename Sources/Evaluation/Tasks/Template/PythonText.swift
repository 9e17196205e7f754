internal import Foundation

/// Text operations as Python's, which task files are defined by: on Unicode scalars and exact, where Swift's own
/// compare characters up to canonical equivalence.
extension String {
  /// The parts between occurrences of a separator, as `text.split(separator)`; at least one.
  func pieces(_ separator: String) -> [String] {
    let (bytes, mark) = (Array(utf8), Array(separator.utf8))
    guard let first = mark.first else { return [self] }
    var (pieces, start, index): ([String], Int, Int) = ([], 0, 0)
    while index + mark.count <= bytes.count {
      if bytes[index] == first, bytes[index..<index + mark.count].elementsEqual(mark) {
        pieces.append(String(decoding: bytes[start..<index], as: UTF8.self))
        index += mark.count
        start = index
      } else {
        index += 1
      }
    }
    return pieces + [String(decoding: bytes[start...], as: UTF8.self)]
  }

  /// `text.replace(old, new)`.
  func substituting(_ old: String, by new: String) -> String { pieces(old).joined(separator: new) }

  /// Without white space at the start and the end.
  func stripped(start: Bool = true, end: Bool = true) -> String {
    var scalars = unicodeScalars[...]
    if start { scalars = scalars.drop(while: \.isPythonSpace) }
    while end, let last = scalars.last, last.isPythonSpace { scalars.removeLast() }
    return String(scalars)
  }

  /// First letter in title case, the rest in lower case.
  var pythonCapitalized: String {
    guard let first = unicodeScalars.first else { return "" }
    return first.properties.titlecaseMapping + String(unicodeScalars.dropFirst()).lowercased()
  }

  /// Number of parts between runs of white space, empty ones at the ends included: `len(re.split(r"\s+", text))`.
  var pythonWords: Int {
    var (count, wasSpace) = (1, false)
    for scalar in unicodeScalars {
      let isSpace = scalar.isPythonSpace
      if isSpace, !wasSpace { count += 1 }
      wasSpace = isSpace
    }
    return count
  }
}

extension Unicode.Scalar {
  /// What Python's `str.isspace` holds for white space.
  var isPythonSpace: Bool { properties.isWhitespace || (0x1C...0x1F).contains(value) }
}

/// A regular expression in the common subset of Python's `re` and ICU.
struct Pattern: Sendable, Equatable {
  /// As it was written.
  let source: String

  /// A pattern of the program itself.
  init(trusted source: String) { self.source = source }

  /// A pattern of a task file; nil for one that is broken.
  init?(_ source: String) {
    guard (try? NSRegularExpression(pattern: source)) != nil else { return nil }
    self.source = source
  }

  private var compiled: NSRegularExpression {
    guard let compiled = try? NSRegularExpression(pattern: source) else {
      preconditionFailure("Pattern: '\(source)' was checked before")
    }
    return compiled
  }

  /// Every match from left to right: the groups that are not empty, or the whole match where there are no groups.
  func matches(in text: String) -> [[String]] {
    let whole = text as NSString
    return compiled.matches(in: text, range: NSRange(location: 0, length: whole.length)).map { match in
      let ranges = match.numberOfRanges == 1 ? [match.range] : (1..<match.numberOfRanges).map(match.range(at:))
      return ranges.filter { $0.location != NSNotFound && $0.length > 0 }.map(whole.substring(with:))
    }
  }

  /// `re.sub`; the replacement names groups as `$1`.
  func replaced(in text: String, by replacement: String) -> String {
    compiled.stringByReplacingMatches(
      in: text, range: NSRange(location: 0, length: (text as NSString).length), withTemplate: replacement)
  }
}
