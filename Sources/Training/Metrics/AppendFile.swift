internal import Foundation

/// A file that only grows: every `append` reaches the system before it returns, so that a killed program loses at most
/// the record it was writing.
final class AppendFile {
  let path: String
  private var descriptor: Int32

  enum Mode {
    /// The file must not exist.
    case new
    /// The file may exist and keeps its first `length` bytes.
    case keep(length: Int)
  }

  init(path: String, mode: Mode) throws(MetricError) {
    self.path = path
    switch mode {
    case .new: descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o644)
    case .keep: descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    }
    guard descriptor >= 0 else { throw Self.failure(path, "create") }
    if case .keep(let length) = mode, lseek(descriptor, 0, SEEK_END) > off_t(length),
      ftruncate(descriptor, off_t(length)) != 0
    {
      let error = Self.failure(path, "shorten")
      _ = Foundation.close(descriptor)
      throw error
    }
  }

  deinit {
    if descriptor >= 0 { _ = Foundation.close(descriptor) }
  }

  func append(_ bytes: [UInt8]) throws(MetricError) {
    precondition(descriptor >= 0, "AppendFile: append to \(path) after close")
    var start = 0
    while start < bytes.count {
      let count = bytes[start...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        throw Self.failure(path, "write")
      }
      // Nothing was written and nothing said: trying for ever would not help.
      guard count > 0 else { throw Self.failure(path, "write", EIO) }
      start += count
    }
  }

  /// Forces what was appended to disk.
  func sync() throws(MetricError) {
    precondition(descriptor >= 0, "AppendFile: sync of \(path) after close")
    guard fsync(descriptor) == 0 else { throw Self.failure(path, "sync") }
  }

  /// Closing twice does nothing.
  func close() throws(MetricError) {
    guard descriptor >= 0 else { return }
    let open = descriptor
    descriptor = -1
    var code: Int32 = 0
    while fsync(open) != 0, code == 0 { if errno != EINTR { code = errno } }
    // Closed in any case; what the disk said first counts.
    if Foundation.close(open) != 0, errno != EINTR, code == 0 { code = errno }
    if code != 0 { throw Self.failure(path, "close", code) }
  }

  private static func failure(_ path: String, _ action: String, _ code: Int32 = errno) -> MetricError {
    .file(path: path, action: action, reason: String(cString: strerror(code)))
  }
}
