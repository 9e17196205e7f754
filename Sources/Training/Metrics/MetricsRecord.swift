internal import Files
internal import Checkpoint
internal import Formats
internal import Text

/// What `metrics.jsonl` of a run holds when the run goes on from a checkpoint.
///
/// Records run from step 0 or 1 to the checkpoint's without a gap; later ones are of steps that will be repeated.
/// Records reach the disk before a checkpoint does, so anything else is not what a crash leaves.
struct MetricsRecord {
  /// What is known of a step.
  struct Step {
    var values: [Metric: Double]
    /// Figures of tasks by name, as `piqa/acc`.
    var tasks: [String: Double]
  }

  /// Leading bytes that are records up to the checkpoint's step.
  let keptBytes: Int
  /// Those without the record of that step.
  let bytesBeforeLast: Int
  /// The checkpoint's step.
  let last: Int
  /// Its record.
  let lastStep: Step

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
    var (kept, before, line, next): (Int, Int, Int, Int?) = (0, 0, 0, nil)
    var newest = JSONValue.null
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
      (before, kept, next, newest) = (kept, end + 1, step + 1, object)
    }
    guard next ?? 0 > last else {
      throw RunFolderError.record(
        path: path, line: line, expected: "records up to step \(last)",
        found: next.map { "none behind step \($0 - 1)" } ?? "none")
    }
    (keptBytes, bytesBeforeLast, self.last) = (kept, before, last)
    lastStep = Step(newest)
  }
}

extension MetricsRecord.Step {
  /// Reads a record as ``JSONLinesSink`` writes it.
  fileprivate init(_ record: JSONValue) {
    (values, tasks) = ([:], [:])
    guard case .object(let members) = record else { return }
    for member in members {
      guard let number = member.value.real else { continue }
      if let metric = Metric(rawValue: member.key) { values[metric] = number }
      if member.key.hasPrefix("tasks/") { tasks[String(member.key.dropFirst(6))] = number }
    }
  }
}
