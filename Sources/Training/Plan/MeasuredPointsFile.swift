public import Placements

/// Measured times of one machine, for `occult plan --fit`.
public struct MeasuredPoints: Sendable, Equatable {
  /// What was measured, in words.
  public let name: String
  /// D it was measured on.
  public let devices: Int
  /// Points to fit.
  public let points: [MeasuredTime.Point]
  /// Points to compare the fit with.
  public let check: [MeasuredTime.Point]

  private static let kind = "measured points"
  private static let example = "docs/plan.md for the keys"

  /// Reads a file of measured points and checks all of it.
  ///
  /// - Parameter path: A YAML file.
  /// - Returns: The points.
  /// - Throws: `RecipeError` with everything that is wrong.
  public static func load(_ path: String) throws(RecipeError) -> MeasuredPoints {
    try SmallFile.read(path, kind: kind, example: example, decode)
  }

  /// Reads measured points from text, as `load` does.
  ///
  /// - Parameters:
  ///   - text: YAML.
  ///   - file: Its name in messages.
  /// - Returns: The points.
  /// - Throws: `RecipeError` with everything that is wrong.
  public static func parse(_ text: String, file: String) throws(RecipeError) -> MeasuredPoints {
    try SmallFile.parse(text, file: file, kind: kind, example: example, decode)
  }

  private static func decode(_ section: RecipeSection) -> MeasuredPoints {
    if section.node("devices") == nil {
      section.report("devices", "expected the number of devices of the measurement, found no such key")
    }
    let points = points("points", section)
    if points.count < 2 {
      section.report("points", "expected at least two points {copies: …, seconds: …}, found \(points.count)")
    }
    return MeasuredPoints(
      name: section.requiredText("name", hint: "what was measured, in words"),
      devices: section.int("devices", in: 1...1024, default: 1), points: points, check: self.points("check", section))
  }

  private static func points(_ key: String, _ section: RecipeSection) -> [MeasuredTime.Point] {
    guard let node = section.node(key) else { return [] }
    guard case .list(let items) = node.content else {
      section.report(key, "expected a list of {copies: …, seconds: …}, found \(node.found)")
      return []
    }
    return items.enumerated().map { index, item in
      let point = RecipeSection(
        item, path: "\(section.path(of: key))[\(index)]", position: item.position, reader: section.reader)
      defer { point.finish() }
      return MeasuredTime.Point(
        copies: point.requiredDouble("copies", .positive), seconds: point.requiredDouble("seconds", .positive))
    }
  }
}
