import Foundation

/// A lock on a folder for as long as this value lives: a second writer is turned away.
///
/// The lock belongs to an open file, so the system drops it when its holder ends, however it ends; over NFS the server
/// does so when the holder's machine is gone. A file system without locks gives none, and `isHeld` says so.
package final class FolderLock: Sendable {
  /// The file that is locked. It stays: removing it would let two writers hold two files of one name.
  package static let name = ".occult.lock"

  /// Whether the file system has locks.
  package let isHeld: Bool
  private let descriptor: Int32

  /// Locks a folder that exists.
  ///
  /// - Parameters:
  ///   - folder: Its path.
  ///   - purpose: What the holder does, for those who are turned away.
  ///   - waits: Whether to wait for a holder that only needs a moment.
  /// - Throws: ``FolderError/inUse(path:holder:)``, ``FolderError/system(path:action:code:)``.
  package init(_ folder: String, purpose: String, waits: Bool = false) throws(FolderError) {
    let path = folder + "/" + Self.name
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o644)
    guard descriptor >= 0 else { throw .last(path, "lock the folder") }
    var status: Int32
    repeat { status = flock(descriptor, LOCK_EX | (waits ? 0 : LOCK_NB)) } while status != 0 && errno == EINTR
    if status != 0, errno == EWOULDBLOCK {
      let holder = Self.contents(descriptor)
      close(descriptor)
      throw .inUse(path: folder, holder: holder.isEmpty ? "another program" : holder)
    }
    isHeld = status == 0
    self.descriptor = descriptor
    guard isHeld else { return }
    // Words for people; the lock holds without them.
    let words = "\(purpose), process \(getpid()) on \(ProcessInfo.processInfo.hostName)"
    ftruncate(descriptor, 0)
    _ = Array(words.utf8).withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
  }

  deinit {
    // By name and not by closing alone: a process that is just being started holds a copy of the descriptor for a
    // moment.
    if isHeld { flock(descriptor, LOCK_UN) }
    close(descriptor)
  }

  /// What the holder wrote about itself; printable characters only.
  private static func contents(_ descriptor: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 512)
    let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
    let text = String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    return String(text.unicodeScalars.filter { $0.properties.generalCategory != .control }.map(Character.init))
  }
}
