internal import Formats
internal import Checkpoint
internal import Text

/// What `metrics.jsonl` of a run holds when the run goes on from a checkpoint.
///
/// Records run from step 0 or 1 to the checkpoint's without a gap; later ones are of steps that will be repeated. Records reach
/// the disk before a checkpoint does, so anything else is not what a crash leaves.
struct MetricsRecord {
  /// Leading bytes that are records up to the checkpoint's step.
  let keptBytes: Int

  /// Reads the records up to a step.
  ///
  /// - Parameters:
  ///   - path: `metrics.jsonl`.
  ///   - last: The checkpoint's step.
  ///   - run: Identity of the run.
  ///   - isAdopted: Whether records without an identity are accepted, as version 0.1 wrote them.
  /// - Throws: ``RunFolderError/record(path:line:expected:found:)``, ``RunFolderError/otherRun(path:expected:found:)``,
  ///   `FileError`.
  init(path: String, upTo last: Int, run: String, isAdopted: Bool) throws {
    let file = try MappedFile(path)
    let bytes = withExtendedLifetime(file) { Array(file.bytes) }
    var (kept, line, next): (Int, Int, Int?) = (0, 0, nil)
    // A line without its end was torn by a crash.
    while next ?? 0 <= last, let end = bytes[kept...].firstIndex(of: UInt8(ascii: "\n")) {
      line += 1
      func refuse(_ expected: String, _ found: String) -> RunFolderError {
        .record(path: path, line: line, expected: expected, found: found)
      }
      var parser = JSONParser(bytes, range: kept..<end, line: line)
      guard let object = try? parser.document(), let step = object["step"]?.integer else {
        throw refuse("an object with an integer \"step\"", "something else")
      }
      let wanted = next.map { "step \($0)" } ?? "step 0 or 1"
      guard next.map({ $0 == step }) ?? (0...1).contains(step) else { throw refuse(wanted, "step \(step)") }
      let own = object["run"]?.string
      if own != run, own != nil || !isAdopted {
        throw RunFolderError.otherRun(path: "\(path):\(line)", expected: run, found: own ?? "no run")
      }
      (kept, next) = (end + 1, step + 1)
    }
    guard next ?? 0 > last else {
      throw RunFolderError.record(
        path: path, line: line, expected: "records up to step \(last)",
        found: next.map { "none behind step \($0 - 1)" } ?? "none")
    }
    keptBytes = kept
  }
}
