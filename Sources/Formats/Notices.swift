import Synchronization

/// What readers of foreign files have to say that is no error, such as a key that nobody here knows: each text once a
/// process.
package enum Notices {
  private static let state = Mutex<(said: Set<String>, handler: (@Sendable (String) -> Void)?)>(([], nil))

  /// From now on notices go to `handler`; without one they go nowhere.
  package static func hand(to handler: @escaping @Sendable (String) -> Void) {
    state.withLock { $0.handler = handler }
  }

  /// Says something, unless it was said before.
  ///
  /// - Parameter text: A sentence that names file and key.
  package static func tell(_ text: String) {
    let handler = state.withLock { state in state.said.insert(text).inserted ? state.handler : nil }
    handler?(text)
  }
}
