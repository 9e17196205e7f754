internal import Routing
internal import Foundation
internal import Formats

/// How often each expert was used, from files that hold sums over tokens and nothing else.
///
/// - JSON: a list with one entry a layer, each a map from expert to count, `[{"14": 23094, …}, …]`, or a list of
///   counts.
/// - `.npy`: `[layers, E]` or `[parts, layers, E]`, counts or, as fractions, shares of a part. Parts are added up;
///   shares become counts of a million tokens.
///
/// A profile of loads has no sets and no co-activation: balanced placement can be made of it, everything else says what
/// is missing.
public enum RecordedLoads {
  /// Reads a file.
  ///
  /// - Parameters:
  ///   - path: JSON or `.npy`, told by the first bytes.
  ///   - topK: k, which such files do not say.
  ///   - experts: E; nil for the largest id + 1.
  ///   - layers: absolute numbers of the layers in the file; nil for 0, 1, 2, …
  /// - Returns: a profile without sets.
  /// - Throws: `RecordedRoutingError`.
  public static func profile(
    path: String, topK: Int, experts: Int?, layers: [Int]?
  ) throws(RecordedRoutingError) -> CollaborationProfile {
    let data: Data
    do {
      data = try InputFile.data(path, most: RecordedSource.mostJSON)
    } catch {
      throw .unreadable(file: path, found: error.found)
    }
    let isArray = data.starts(with: NumPyArray.magic)
    var rows = isArray ? try table(NumPyArray(data, file: path), path) : try table(data, path)
    let count = experts ?? rows.map(\.count).max() ?? 0
    guard count <= RecordedRows.mostExperts else {
      throw .array(
        file: path, item: "experts", expected: "at most \(RecordedRows.mostExperts)", found: "\(count)",
        advice: "the number of experts of a layer")
    }
    func problem(_ item: String, _ expected: String, _ found: String) -> RecordedRoutingError {
      .array(file: path, item: item, expected: expected, found: found, advice: "a file of this model")
    }
    for (layer, row) in rows.enumerated() {
      guard row.count <= count else { throw problem("entry \(layer)", "experts in 0..<\(count)", "\(row.count - 1)") }
      if let bad = row.first(where: { !($0 >= 0 && $0 <= Double(Most.tokens)) }) {
        throw problem("entry \(layer)", "counts or shares of 0 to \(Most.tokens)", "\(bad)")
      }
      guard row.contains(where: { $0 > 0 }) else { throw problem("entry \(layer)", "an expert that was used", "none") }
      rows[layer] += [Double](repeating: 0, count: count - row.count)
    }
    guard topK <= count else { throw problem("top_k", "at most \(count) experts", "\(topK)") }
    let numbers = layers ?? Array(rows.indices)
    guard numbers.count == rows.count, Set(numbers).count == rows.count else {
      throw problem("layers", "\(rows.count) different numbers, as many as the file has layers", "\(numbers)")
    }
    if let number = numbers.first(where: { !(0..<Most.layers).contains($0) }) {
      throw problem("layers", "numbers in 0..<\(Most.layers)", "\(number)")
    }
    for (layer, row) in rows.enumerated() where (row.max() ?? 0) * Double(topK) > row.reduce(0, +) * (1 + 1e-6) {
      throw problem(
        "entry \(layer)", "no expert with more than 1/\(topK) of all, as a token uses \(topK) different ones",
        "\(row.max() ?? 0) of \(row.reduce(0, +))")
    }
    return CollaborationProfile(
      modelType: nil, experts: count, topK: topK, data: path + " (loads alone)",
      layers: zip(numbers, rows).map { number, row in
        let scale = row.allSatisfy { $0 == $0.rounded() } ? 1 : Double(topK) * 1e6 / row.reduce(0, +)
        let load = row.map { Int64(($0 * scale).rounded()) }
        // Rounding may give the heaviest expert a token more than there would be.
        let tokens = max(Int(load.reduce(0, +)) / topK, Int(load.max() ?? 0))
        return LayerProfile(
          layer: number, experts: count, topK: topK, tokens: tokens,
          coactivation: [Int64](repeating: 0, count: count * count), load: load, sets: [], weights: [], documents: [])
      })
  }

  private static func table(_ array: NumPyArray, _ file: String) throws(RecordedRoutingError) -> [[Double]] {
    guard (2...3).contains(array.shape.count), !array.shape.contains(0) else {
      throw .array(
        file: file, item: "shape", expected: "[layers, experts] or [parts, layers, experts]", found: "\(array.shape)",
        advice: "numpy.save of such an array")
    }
    let (layers, experts) = (array.shape[array.shape.count - 2], array.shape[array.shape.count - 1])
    var sums = [[Double]](repeating: [Double](repeating: 0, count: experts), count: layers)
    for (index, value) in array.numbers.enumerated() { sums[index / experts % layers][index % experts] += value }
    return sums
  }

  private static func table(_ json: Data, _ file: String) throws(RecordedRoutingError) -> [[Double]] {
    let decoder = JSONDecoder()
    if let lists = try? decoder.decode([[Double]].self, from: json), !lists.isEmpty { return lists }
    guard let maps = try? decoder.decode([[String: Double]].self, from: json), !maps.isEmpty else {
      throw .array(
        file: file, item: "loads", expected: "a list with a map from expert to count for each layer",
        found: JSONParser.accepts(json) ? "JSON of another form" : "no JSON",
        advice: "'--routing' for a recording token by token")
    }
    var rows: [[Double]] = []
    for (layer, map) in maps.enumerated() {
      var row: [Double] = []
      for (key, count) in map {
        guard let expert = Int(key), (0..<RecordedRows.mostExperts).contains(expert) else {
          throw .array(
            file: file, item: "entry \(layer)", expected: "experts as keys", found: "'\(key)'",
            advice: "counts by number of the expert")
        }
        if expert >= row.count { row += [Double](repeating: 0, count: expert + 1 - row.count) }
        row[expert] = count
      }
      rows.append(row)
    }
    return rows
  }
}
