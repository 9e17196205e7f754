/// Numbers of bytes in words.
public enum ByteSize {
  private static let units: [(name: String, bytes: Int)] = [
    ("B", 1), ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("KiB", 1 << 10),
    ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
  ]

  /// Reads `5GB`, `500 MB`, `1.5GiB` or a plain number of bytes, as transformers' `max_shard_size` does.
  ///
  /// - Parameter text: A positive number and a unit.
  /// - Returns: nil for anything else.
  public static func bytes(_ text: String) -> Int? {
    let number = text.prefix { $0.isNumber || $0 == "." }
    let unit = text.dropFirst(number.count).drop { $0 == " " }
    guard let value = Double(number), value > 0,
      let factor = unit.isEmpty ? 1 : units.first(where: { $0.name.lowercased() == unit.lowercased() })?.bytes
    else { return nil }
    return Int(exactly: (value * Double(factor)).rounded())
  }

  /// `19.4 MB`: three digits that matter, powers of 1000.
  public static func words(_ bytes: Int) -> String {
    var (value, unit) = (Double(bytes), 0)
    while value >= 999.5, unit < 4 {
      value /= 1000
      unit += 1
    }
    if unit == 0 { return "\(bytes) B" }
    let scale = value < 9.995 ? 100.0 : value < 99.95 ? 10.0 : 1.0
    let rounded = (value * scale).rounded() / scale
    return (scale == 1 ? "\(Int(rounded))" : "\(rounded)") + " " + units[unit].name
  }
}
