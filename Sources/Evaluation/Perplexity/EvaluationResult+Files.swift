internal import Files
internal import Checkpoint

extension EvaluationResult {
  /// Writes `results_<time>.json`, and `samples_<text>_<time>.jsonl` before it: without results an evaluation is not
  /// one.
  ///
  /// - Parameter output: Where to.
  /// - Returns: The path of the results.
  /// - Throws: `FileError`, or `EncodingError` for figures that are not finite.
  public func write(to output: EvaluationOutput) throws -> String {
    try writeSamples(to: output.folder, time: output.time)
    let path = "\(output.folder)/results_\(output.time).json"
    try TextFile.write(String(decoding: try json(), as: UTF8.self) + "\n", to: path)
    return path
  }

  /// Losses by document, which `occult compare` pairs.
  func writeSamples(to folder: String, time: String) throws {
    for (text, documents) in documents.sorted(by: { $0.key < $1.key }) {
      try TextFile.write(try HeldSamples.text(documents), to: "\(folder)/samples_\(text)_\(time).jsonl")
    }
  }
}
