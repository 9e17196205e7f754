internal import Host
import Foundation
import Synchronization

/// A file under its temporary name, `<name>.tmp`, until `commit` puts it in the place of the old one.
///
/// Whatever happens before (an error, Ctrl-C, `kill -9`, a power cut), a file of the final name is the old one or the
/// new one, never half of it. An uncommitted file is removed when the last reference goes; what `kill -9` leaves behind
/// is overwritten by the next writer of the same name.
package final class PendingFile: Sendable {
  package let path: String
  package let temporaryPath: String
  /// Open for reading and writing, and locked against a second writer.
  package let descriptor: Int32
  /// Where the bytes end that ``write(_:at:)`` was given; 0 where another library writes the file.
  private let end = Atomic(0)
  /// What removes the file where a signal ends the program at once.
  private let slot: TemporaryNames.Slot?

  /// - Throws: `FileError.system` naming the final path; `.notAFile` if a directory is there.
  package init(_ path: String, expected: String) throws(FileError) {
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      throw .notAFile(path: path, expected: expected)
    }
    let temporary = path + ".tmp"
    // Before there is a file: a signal may come right behind its making.
    let slot = TemporaryNames.add(temporary)
    func refuse(_ error: FileError) -> FileError {
      if let slot { TemporaryNames.remove(slot) }
      return error
    }
    let descriptor = open(temporary, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw refuse(.last(path, .create)) }
    // A file system without locks gets none; a lock held by another writer is an error.
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
      close(descriptor)
      throw refuse(.system(path: path, action: .lock, code: EAGAIN))
    }
    guard ftruncate(descriptor, 0) == 0 else {
      let error = FileError.last(path, .create)
      close(descriptor)
      throw refuse(error)
    }
    (self.path, temporaryPath, self.descriptor, self.slot) = (path, temporary, descriptor, slot)
  }

  deinit {
    if let slot { TemporaryNames.remove(slot) }
    // After a commit the temporary name is gone, and another writer's file of that name must stay: the lock tells,
    // because it is still ours while the name still leads to our file.
    var (ours, named) = (stat(), stat())
    if fstat(descriptor, &ours) == 0, stat(temporaryPath, &named) == 0, ours.st_ino == named.st_ino,
      ours.st_dev == named.st_dev
    {
      unlink(temporaryPath)
    }
    flock(descriptor, LOCK_UN)
    close(descriptor)
  }

  /// Writes all bytes at `offset`, which may lie behind the end.
  package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      let count = pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw .last(path, .write)
      }
      // Nothing was written and nothing said: trying for ever would not help.
      guard count > 0 else { throw .system(path: path, action: .write, code: EIO) }
      done += count
    }
    _ = end.max(offset + bytes.count, ordering: .relaxed)
  }

  /// Forces the data to disk, and makes sure that all of it is there.
  package func sync() throws(FileError) {
    try Self.sync(descriptor, path)
    // Some file systems tell of a write that failed when a descriptor is closed; our own has to hold the lock.
    let copy = dup(descriptor)
    guard copy >= 0, close(copy) == 0 || errno == EINTR else { throw .last(path, .sync) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .last(path, .sync) }
    let end = end.load(ordering: .relaxed)
    guard end == 0 || Int(status.st_size) == end else {
      throw .unverified(path: path, item: "as a whole", expected: "\(end) bytes", found: "\(status.st_size)")
    }
  }

  private static func sync(_ descriptor: Int32, _ path: String) throws(FileError) {
    while fsync(descriptor) != 0 {
      if errno != EINTR { throw .last(path, .sync) }
    }
  }

  /// Moves the file, already synced, to its final name.
  package func rename() throws(FileError) {
    guard Foundation.rename(temporaryPath, path) == 0 else { throw .last(path, .rename) }
    // By name and not by closing alone: a process that is just being started holds a copy of the descriptor for a
    // moment.
    flock(descriptor, LOCK_UN)
  }

  /// Forces the folder's list of names to disk: without it a power cut may bring the old file back.
  package static func syncFolder(of path: String) throws(FileError) {
    let folder = (path as NSString).deletingLastPathComponent
    let descriptor = open(folder.isEmpty ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .last(path, .sync) }
    defer { close(descriptor) }
    // Some network file systems cannot sync a folder and say EINVAL; there is nothing more to do there.
    guard fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP else { throw .last(path, .sync) }
  }

  package func commit() throws(FileError) {
    try sync()
    try rename()
    try Self.syncFolder(of: path)
  }

  /// Writes a small file as a whole.
  package static func write(_ text: String, to path: String) throws(FileError) {
    var text = text
    let result = text.withUTF8 { bytes in
      Result { () throws(FileError) in try write(UnsafeRawBufferPointer(bytes), to: path) }
    }
    try result.get()
  }

  /// Writes a small file as a whole.
  package static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws(FileError) {
    let file = try PendingFile(path, expected: "a file")
    try file.write(bytes, at: 0)
    try file.commit()
  }
}
