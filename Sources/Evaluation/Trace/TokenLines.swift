internal import Formats

/// Sequences of numbers from a text file: one a line, separated by spaces, tabs or commas, all of one length.
public struct TokenLines: Sendable, Equatable {
  /// Name of the file, for messages.
  public let file: String
  /// One entry a line; empty lines are left out.
  public let sequences: [[Int32]]
  /// Line in the file of every sequence, from 1.
  public let lines: [Int]

  /// Length of every sequence.
  public var length: Int { sequences.first?.count ?? 0 }

  /// Reads a file.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - range: What every number must be in.
  ///   - ignored: A number outside of `range` that is allowed as well.
  /// - Throws: ``TokenLinesError`` naming the line.
  public init(path: String, in range: Range<Int32>, ignored: Int32? = nil) throws(TokenLinesError) {
    let bytes: [UInt8]
    do {
      bytes = try InputFile.bytes(path)
    } catch {
      throw .unreadable(file: path, found: error.found)
    }
    try self.init(text: String(decoding: bytes, as: UTF8.self), file: path, in: range, ignored: ignored)
  }

  /// Reads text.
  ///
  /// - Parameters:
  ///   - text: The lines.
  ///   - file: Its name, for messages.
  ///   - range: What every number must be in.
  ///   - ignored: A number outside of `range` that is allowed as well.
  /// - Throws: ``TokenLinesError`` naming the line.
  public init(text: String, file: String, in range: Range<Int32>, ignored: Int32? = nil) throws(TokenLinesError) {
    var (sequences, lines): ([[Int32]], [Int]) = ([], [])
    for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
      let words = line.split { $0 == " " || $0 == "\t" || $0 == "," }
      if words.isEmpty { continue }
      var sequence: [Int32] = []
      for word in words {
        guard let value = Int32(word), range.contains(value) || value == ignored else {
          throw .value(file: file, line: index + 1, range: range, ignored: ignored, found: String(word))
        }
        sequence.append(value)
      }
      if let first = sequences.first, first.count != sequence.count {
        throw .length(file: file, line: index + 1, expected: first.count, found: sequence.count)
      }
      sequences.append(sequence)
      lines.append(index + 1)
    }
    guard !sequences.isEmpty else { throw .empty(file: file) }
    (self.file, self.sequences, self.lines) = (file, sequences, lines)
  }
}

/// Why a file of token lines cannot be used.
public enum TokenLinesError: Error, Equatable, CustomStringConvertible {
  /// The file cannot be opened.
  case unreadable(file: String, found: String)
  /// There is no line with numbers.
  case empty(file: String)
  /// Not a number, or out of range.
  case value(file: String, line: Int, range: Range<Int32>, ignored: Int32?, found: String)
  /// A sequence of another length than the first.
  case length(file: String, line: Int, expected: Int, found: Int)
  /// Sequences longer than the model's context.
  case tooLong(file: String, most: Int, found: Int)
  /// Labels of another shape than the tokens.
  case shape(file: String, expected: [Int], found: [Int])
  /// No position is to be predicted.
  case noTargets(file: String)

  /// `where: expected …, found …; try …`.
  public var description: String {
    switch self {
    case .unreadable(let file, let found):
      "\(file): expected a readable text file, found \(found); try a path that exists"
    case .empty(let file):
      "\(file): expected a sequence of token ids a line, found none; try a line such as '335 715 416'"
    case .value(let file, let line, let range, let ignored, let found):
      "\(file):\(line): expected integers in \(range.lowerBound)..<\(range.upperBound)"
        + (ignored.map { " or \($0)" } ?? "") + ", found '\(found)'; try ids of this model's tokenizer"
    case .length(let file, let line, let expected, let found):
      "\(file):\(line): expected \(counted(expected, "token")) as in the lines before, found \(found); "
        + "try one file for each length"
    case .tooLong(let file, let most, let found):
      "\(file): expected at most \(counted(most, "token")) a line (the model's context), found \(found); try shorter lines"
    case .shape(let file, let expected, let found):
      "\(file): expected \(counted(expected[0], "line")) of \(counted(expected[1], "label")) as the tokens have, "
        + "found \(found[0]) of \(found[1]); try a label for every token, -100 where none counts"
    case .noTargets(let file):
      "\(file): expected a label to predict, found none after the first position of each line; "
        + "try longer lines, or fewer -100"
    }
  }
}
