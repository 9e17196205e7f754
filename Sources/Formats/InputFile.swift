package import Foundation

/// A file that comes from outside, opened without waiting.
///
/// To open a named pipe waits for whoever writes to it, and a device may never end. So every reader of this package
/// begins here: the file is opened without blocking, and is refused unless it is a regular file.
public enum InputFile {
  /// Opens a file for reading.
  ///
  /// - Parameter path: Its name.
  /// - Returns: A descriptor of a regular file, which the caller closes.
  /// - Throws: ``InputFileError``.
  package static func open(_ path: String) throws(InputFileError) -> Int32 {
    let descriptor = Foundation.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard descriptor >= 0 else {
      // A socket cannot be opened at all: the name says what it is.
      let code = errno
      var status = stat()
      if stat(path, &status) == 0, let kind = kind(status) { throw .notAFile(path: path, kind: kind) }
      throw .system(path: path, code: code)
    }
    do throws(InputFileError) {
      if let kind = kind(try status(descriptor, path)) { throw .notAFile(path: path, kind: kind) }
      return descriptor
    } catch {
      close(descriptor)
      throw error
    }
  }

  /// Reads a file as a whole.
  ///
  /// - Parameters:
  ///   - path: Its name.
  ///   - most: Longest file that is read, in bytes.
  /// - Returns: Its bytes.
  /// - Throws: ``InputFileError``.
  package static func bytes(_ path: String, most: Int = .max) throws(InputFileError) -> [UInt8] {
    let descriptor = try open(path)
    defer { close(descriptor) }
    let size = Int(try status(descriptor, path).st_size)
    guard size <= most else { throw .tooLong(path: path, bytes: size, most: most) }
    // Files of /proc and /sys say that they have no bytes: what comes is read, up to the limit.
    var bytes = [UInt8](repeating: 0, count: max(size, 4096))
    var done = 0
    while true {
      if done == bytes.count {
        guard done <= most else { throw .tooLong(path: path, bytes: done, most: most) }
        bytes += [UInt8](repeating: 0, count: min(done, 1 << 20))
      }
      let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done) }
      if count < 0 {
        if errno == EINTR { continue }
        throw .system(path: path, code: errno)
      }
      if count == 0 { break }
      done += count
    }
    guard done <= most else { throw .tooLong(path: path, bytes: done, most: most) }
    bytes.removeLast(bytes.count - done)
    return bytes
  }

  /// The same as `Data`, which Foundation's decoders take.
  package static func data(_ path: String, most: Int = .max) throws(InputFileError) -> Data {
    Data(try bytes(path, most: most))
  }

  /// Maps a file: its pages are read when they are looked at.
  ///
  /// - Parameter path: Its name.
  /// - Returns: Its bytes, mapped until the last copy goes.
  /// - Throws: ``InputFileError``.
  package static func mapped(_ path: String) throws(InputFileError) -> Data {
    let descriptor = try open(path)
    defer { close(descriptor) }
    let size = Int(try status(descriptor, path).st_size)
    if size == 0 { return try data(path) }
    guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
      throw .system(path: path, code: errno)
    }
    return Data(bytesNoCopy: base, count: size, deallocator: .custom { munmap($0, $1) })
  }

  private static func status(_ descriptor: Int32, _ path: String) throws(InputFileError) -> stat {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system(path: path, code: errno) }
    return status
  }

  /// What something is, in words; nil for a regular file.
  private static func kind(_ status: stat) -> String? {
    switch status.st_mode & S_IFMT {
    case S_IFREG: nil
    case S_IFDIR: "a folder"
    case S_IFIFO: "a pipe (FIFO)"
    case S_IFSOCK: "a socket"
    case S_IFCHR, S_IFBLK: "a device"
    default: "something else"
    }
  }
}

/// A file from outside that cannot be read.
public enum InputFileError: Error, Equatable, CustomStringConvertible, Sendable {
  /// The operating system refused, with this `errno`.
  case system(path: String, code: Int32)
  /// It is no regular file: what it is, in words.
  case notAFile(path: String, kind: String)
  /// It is longer than what is read.
  case tooLong(path: String, bytes: Int, most: Int)

  /// What was found in place of a file, in words.
  public var found: String {
    switch self {
    case .system(_, let code): code == ENOENT ? "none" : "'\(String(cString: strerror(code)))'"
    case .notAFile(_, let kind): kind
    case .tooLong(_, let bytes, _): "\(bytes) bytes"
    }
  }

  /// What was expected beside a readable file, in words to put behind these; mostly nothing.
  package var limit: String {
    if case .tooLong(_, _, let most) = self { " of at most \(most) bytes" } else { "" }
  }

  /// `where: expected …, found …; try …`.
  public var description: String {
    switch self {
    case .system(let path, let code):
      "\(path): expected a readable file, found \(found); try "
        + (code == EACCES || code == EPERM ? "making it readable" : "a path that exists")
    case .notAFile(let path, _):
      "\(path): expected a regular file, found \(found); try the path of a file, to which what comes through a pipe was "
        + "written"
    case .tooLong(let path, _, let most):
      "\(path): expected at most \(most) bytes, found \(found); try a shorter file"
    }
  }
}
