internal import Files
import ArgumentParser
import Checkpoint
import Formats
import Foundation
import Text
import Training

/// `--json`, where a command prints a table.
struct OutputOptions: ParsableArguments {
  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  /// Prints a text of JSON.
  static func print(json: String) { write(Array((Printable.json(json) + "\n").utf8)) }

  /// Prints a value as JSON.
  static func print(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    // As in files; keys of maps are names and stay as they are.
    encoder.keyEncodingStrategy = .convertToSnakeCase
    // JSON has no such numbers; a share of nothing is one.
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    Self.print(json: String(decoding: try encoder.encode(value), as: UTF8.self))
  }
}

/// Text broken at spaces into lines of at most `width` characters.
func wrapped(_ text: String, at width: Int) -> String {
  var lines = [""]
  for word in text.split(separator: " ") {
    let last = lines[lines.count - 1]
    if last.isEmpty {
      lines[lines.count - 1] = String(word)
    } else if last.count + 1 + word.count <= width {
      lines[lines.count - 1] = last + " " + word
    } else {
      lines.append(String(word))
    }
  }
  return lines.joined(separator: "\n")
}

/// A number with a fixed count of digits behind the point, while that says something.
func fixed(_ value: Double, _ digits: Int = 3) -> String { decimal(value, digits) }

/// A file that a command is about to write must not be there already, unless it may be replaced.
func checkFree(_ path: String, overwrite: Bool) throws {
  if !overwrite, FileManager.default.fileExists(atPath: path) { throw FolderError.exists(path: path) }
}
