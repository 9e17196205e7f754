import Training

/// A progress line for a job that is measured in bytes, which learns how many there are with the first of them.
final class ByteProgress {
  private let label: String
  private var line: ProgressLine?
  private var unit = 1_000_000
  private let began = Clock.monotonic()

  /// Begins a job: `convert`, `verify`.
  init(_ label: String) { self.label = label }

  /// Tells that `done` of `total` bytes are done.
  func update(_ done: Int, _ total: Int) {
    if line == nil {
      let isSmall = total < 10_000_000
      unit = isSmall ? 1000 : 1_000_000
      line = ProgressLine(label: label, total: total / unit, unit: isSmall ? "KB" : "MB", since: began)
    }
    line?.update(done / unit)
  }

  /// Ends with the time it took.
  func finish() { line?.finish() }
}
