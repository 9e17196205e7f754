import Logging

/// Warnings of the program: results go to standard output, progress and warnings to standard error.
let logger: Logger = {
  LoggingSystem.bootstrap { _ in StandardErrorHandler() }
  return Logger(label: "occult")
}()

/// `warning: …` on standard error, without time stamps: the reader is a person in front of a terminal.
private struct StandardErrorHandler: LogHandler {
  var logLevel = Logger.Level.notice
  var metadata: Logger.Metadata = [:]

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    note("\(event.level): \(event.message)")
  }
}
