import Synchronization
import Training

/// A progress line for layers that are worked on side by side, in any order.
final class LayerProgress: Sendable {
  private struct State {
    var done = 0
    /// Used by one thread at a time.
    nonisolated(unsafe) let line: ProgressLine
  }

  private let state: Mutex<State>

  /// Begins a job: `analyze`, `place`.
  init(_ label: String, layers: Int) {
    nonisolated(unsafe) let line = ProgressLine(label: label, total: layers, unit: "layers")
    state = Mutex(State(line: line))
  }

  /// Tells that one more layer is done.
  func advance() {
    state.withLock {
      $0.done += 1
      $0.line.update($0.done)
    }
  }

  /// Ends with the time it took.
  func finish() { state.withLock { $0.line.finish() } }
}
