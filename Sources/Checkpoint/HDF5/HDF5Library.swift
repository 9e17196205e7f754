internal import Files
import CHDF5
import Foundation

/// The one door to libhdf5.
///
/// Debian's and Ubuntu's library is not thread-safe: every call, closing included, holds one lock. The lock is
/// recursive because a handle may close while another call's closure returns.
enum HDF5Library {
  private static let lock = NSRecursiveLock()
  /// Once, before any other call: no cleanup at exit. All handles close themselves, and after a full disk the library's
  /// own cleanup would try to flush again.
  private static let started: Bool = H5dont_atexit() >= 0 && H5open() >= 0

  /// Runs calls whose results carry no status.
  static func locked<R>(_ body: () -> R) -> R {
    lock.lock()
    defer { lock.unlock() }
    precondition(started, "libhdf5 does not start")
    // Its error stack is for us, not for stderr. Per call, since thread-safe builds keep the setting per thread.
    H5Eset_auto2(chdf5_e_default(), nil, nil)
    return body()
  }

  /// Runs one call and turns a negative status, with the library's error stack, into a Swift error.
  static func checked<R: SignedInteger>(
    _ place: Place, _ action: FileAction, _ body: () -> R
  ) throws(FileError) -> R {
    let result: Result<R, FileError> = locked {
      errno = 0
      let status = body()
      if status >= 0 { return .success(status) }
      let (isShort, isUnreadable) = (errno == ENOMEM, errno == EIO)
      let messages = stack()
      // Before all others: what was not read for want of memory looks like damage.
      if isShort || messages.contains(where: { $0.contains("memory allocation failed") }) {
        return .failure(.system(path: place.file, action: action, code: ENOMEM))
      }
      let found = failure(place, action, messages)
      // Where the library forgets why it could not read.
      if isUnreadable, case .library = found { return .failure(.system(path: place.file, action: action, code: EIO)) }
      return .failure(found)
    }
    return try result.get()
  }

  /// The messages of the error stack, innermost first.
  private static func stack() -> [String] {
    var messages: [String] = []
    withUnsafeMutablePointer(to: &messages) { pointer in
      let collect: H5E_walk2_t = { _, error, data in
        if let text = error?.pointee.desc, let messages = data?.assumingMemoryBound(to: [String].self) {
          messages.pointee.append(String(cString: text))
        }
        return 0
      }
      _ = H5Ewalk2(chdf5_e_default(), H5E_WALK_UPWARD, collect, pointer)
    }
    return messages
  }

  private static func failure(_ place: Place, _ action: FileAction, _ stack: [String]) -> FileError {
    for message in stack {
      // "unable to open file: name = 'x', errno = 13, error message = 'Permission denied', flags = 0"
      if let code = integer(after: "errno = ", in: message), code != 0 {
        let locking = stack.contains { $0.contains("unable to lock") }
        return .system(path: place.file, action: locking ? .lock : action, code: Int32(truncatingIfNeeded: code))
      }
      // "truncated file: eof = 512, sblock->base_addr = 0, stored_eof = 2048"
      if message.hasPrefix("truncated file"), let found = integer(after: "eof = ", in: message),
        let expected = integer(after: "stored_eof = ", in: message)
      {
        return .truncated(path: place.file, expectedBytes: expected, foundBytes: found)
      }
      if message.hasPrefix("bad version number") || message.hasPrefix("bad superblock version") {
        return .tooNew(path: place.file, item: place.item, reason: message)
      }
      if message.contains("checksum") {
        return .corrupted(path: place.file, item: place.item ?? "/", reason: message)
      }
    }
    return .library(path: place.file, item: place.item, action: action, reason: stack.first ?? "no message")
  }

  private static func integer(after label: String, in text: String) -> Int? {
    guard let range = text.range(of: label) else { return nil }
    return Int(text[range.upperBound...].prefix { $0.isNumber })
  }
}

/// Where a call happens, for its error: the file and what in it.
struct Place: Sendable {
  let file: String
  var item: String?

  /// A checked call whose result is a status or count.
  @discardableResult
  func check<R: SignedInteger>(_ action: FileAction, _ body: () -> R) throws(FileError) -> R {
    try HDF5Library.checked(self, action, body)
  }

  /// A checked call whose result is a new handle.
  func handle(_ kind: Handle.Kind, _ action: FileAction, _ body: () -> hid_t) throws(FileError) -> Handle {
    Handle(kind, try HDF5Library.checked(self, action, body))
  }
}

/// An HDF5 identifier that closes when it goes out of scope.
struct Handle: ~Copyable, Sendable {
  enum Kind: Sendable { case file, group, dataset, attribute, object, space, type, properties }

  let id: hid_t
  private let kind: Kind

  init(_ kind: Kind, _ id: hid_t) {
    (self.kind, self.id) = (kind, id)
  }

  deinit {
    let (kind, id) = (kind, id)
    _ = HDF5Library.locked { Self.close(kind, id) }
  }

  /// Closes now, to learn whether the data reached the file; on failure the identifier is abandoned.
  consuming func close(_ place: Place) throws(FileError) {
    let (kind, id) = (kind, id)
    discard self
    try place.check(.write) { Self.close(kind, id) }
  }

  private static func close(_ kind: Kind, _ id: hid_t) -> herr_t {
    switch kind {
    case .file: H5Fclose(id)
    case .group: H5Gclose(id)
    case .dataset: H5Dclose(id)
    case .attribute: H5Aclose(id)
    case .object: H5Oclose(id)
    case .space: H5Sclose(id)
    case .type: H5Tclose(id)
    case .properties: H5Pclose(id)
    }
  }
}
