import Foundation
package import Formats

/// What went wrong with a file: data first, words once.
///
/// The text always reads `where: expected …, found …; try …`, where `where` is the file and, after a space, the item in
/// it.
public enum FileError: Error, Equatable, CustomStringConvertible, Sendable {
  /// The operating system refused.
  case system(path: String, action: FileAction, code: Int32)
  /// A directory, or a device, stands where a file should.
  case notAFile(path: String, expected: String)
  /// The bytes are of another format altogether.
  case foreign(path: String, expected: String, found: String)
  /// The file ends before its own header says so.
  case truncated(path: String, expectedBytes: Int, foundBytes: Int)
  /// The format is right, what it says is not.
  case invalid(path: String, item: String?, expected: String, found: String)
  /// The named item is not in the file.
  case missing(path: String, item: String, nearest: String?)
  /// The item is there, its element type is another one.
  case type(path: String, item: String, expected: String, found: String)
  /// The item is there, its shape is another one.
  case shape(path: String, item: String, expected: [Int], found: [Int])
  /// The bytes do not match their checksum.
  case corrupted(path: String, item: String, reason: String)
  /// What was written is not what is read again, before the file got its name.
  case unverified(path: String, item: String, expected: String, found: String)
  /// An exported folder is not as its manifest says.
  case manifest(path: String, expected: String, found: String)
  /// A writer of the folder was killed between two renames.
  case interrupted(path: String, aside: String)
  /// The file format cannot hold what was asked for.
  case unsupported(path: String, item: String, expected: String, found: String)
  /// The base model of a partial checkpoint is not what the run began with.
  case base(path: String, base: String, expected: String, found: String)
  /// A later HDF5 wrote what this machine's library does not know.
  case tooNew(path: String, item: String?, reason: String)
  /// The HDF5 library refused, in its own words.
  case library(path: String, item: String?, action: FileAction, reason: String)

  /// `where: expected …, found …; try …`.
  public var description: String {
    switch self {
    case .system(let path, let action, let code):
      "\(path): expected to \(action.rawValue) the file, found \(Self.reason(code)); "
        + "try \(Self.advice(code, action))"
    case .notAFile(let path, let expected):
      "\(path): expected \(expected), found something that is not a regular file; try the path of the file itself"
    case .foreign(let path, let expected, let found):
      "\(path): expected \(expected), found \(found); try another file, or fetching this one again"
    case .truncated(let path, let expected, let found):
      "\(path): expected \(expected) bytes, found \(found): the file is truncated; try copying or fetching it again"
    case .invalid(let path, let item, let expected, let found):
      "\(Self.place(path, item)): expected \(expected), found \(found); try writing or fetching the file again"
    case .missing(let path, let item, let nearest):
      "\(path): expected '\(item)', found nothing of that name; try "
        + (nearest.map { "'\($0)', the nearest name in the file" } ?? "listing what the file holds")
    case .type(let path, let item, let expected, let found):
      "\(Self.place(path, item)): expected \(expected), found \(found); try converting the file"
    case .shape(let path, let item, let expected, let found):
      "\(Self.place(path, item)): expected shape \(expected), found \(found); try the file that belongs to this model"
    case .corrupted(let path, let item, let reason):
      "\(Self.place(path, item)): expected intact data, found damage (\(reason)); try copying or fetching the file again"
    case .unverified(let path, let item, let expected, let found):
      "\(Self.place(path, item)): expected to read what was written (\(expected)), found other bytes (\(found)); try "
        + "another disk; a file of that name that was there before is untouched"
    case .manifest(let path, let expected, let found):
      "\(path): expected \(expected) as \(OutputFolder.markerName) says, found \(found); try exporting or copying the "
        + "folder again, or, if it was changed on purpose, removing \(OutputFolder.markerName)"
    case .interrupted(let path, let aside):
      "\(path): expected a folder, found none, for a conversion to it was interrupted; try the same conversion again, or "
        + "giving \(aside), the folder as it was before, its name back"
    case .unsupported(let path, let item, let expected, let found):
      "\(Self.place(path, item)): expected \(expected), found \(found); try writing it in another way"
    case .base(let path, let base, let expected, let found):
      "\(path): expected its base model \(expected) at \(base), found \(found); try putting the model that the run began "
        + "with back there; 'occult convert' merges both into a file that needs no base, before a move"
    case .tooNew(let path, let item, let reason):
      "\(Self.place(path, item)): expected the HDF5 1.10 format, found a later one or damage (\(reason)); "
        + "try writing the file with h5py.File(…, libver='v110')"
    case .library(let path, let item, let action, let reason):
      "\(Self.place(path, item)): expected to \(action.rawValue) it, found an HDF5 error (\(reason)); "
        + "try writing or fetching the file again"
    }
  }

  private static func place(_ path: String, _ item: String?) -> String {
    item.map { "\(path) \($0)" } ?? path
  }

  private static func reason(_ code: Int32) -> String {
    let words = "'\(String(cString: strerror(code)))'"
    var limit = rlimit()
    guard code == EFBIG, getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0 else { return words }
    // Without a limit of the shell it is the file system's.
    if limit.rlim_cur == rlim_t.max { return words + ", more than this file system allows" }
    return words + ", more than the \(ByteSize.words(Int(clamping: limit.rlim_cur))) that 'ulimit -f' allows"
  }

  private static func advice(_ code: Int32, _ action: FileAction) -> String {
    switch code {
    case ENOENT: action.writes ? "creating its folder first" : "a path that exists"
    case EACCES, EPERM, EROFS:
      action.writes ? "a folder that you may write to" : "making it readable"
    case EISDIR, ENOTDIR: "the path of a file, in a folder that exists"
    case EFBIG:
      "'ulimit -f unlimited' first, or another disk; a file of that name that was there before is untouched"
    case ENOMEM: "more memory, a higher limit on it ('ulimit -v', a control group's), a smaller batch or fewer threads"
    case ENOSPC, EDQUOT: "freeing space or another disk; a file of that name that was there before is untouched"
    case EAGAIN, ENOLCK:
      "again when no other program has it open, or setting HDF5_USE_FILE_LOCKING=FALSE if the file system has no locks"
    default: "another disk"
    }
  }

  /// A file that could not be opened; `expected` is what the caller hoped to find.
  package init(_ error: InputFileError, expected: String) {
    self =
      switch error {
      case .system(let path, let code): .system(path: path, action: .open, code: code)
      case .notAFile(let path, _): .notAFile(path: path, expected: expected)
      case .tooLong(let path, let bytes, let most):
        .invalid(path: path, item: nil, expected: "at most \(most) bytes", found: "\(bytes)")
      }
  }

  /// Whatever `errno` says after a call that failed.
  package static func last(_ path: String, _ action: FileAction) -> FileError {
    .system(path: path, action: action, code: errno)
  }
}

/// What was being done to a file when it failed.
public enum FileAction: String, Equatable, Sendable {
  case open, read, map, create, write, lock, list
  case sync = "sync to disk"
  case rename

  package var writes: Bool {
    switch self {
    case .create, .write, .sync, .rename: true
    case .open, .read, .map, .lock, .list: false
    }
  }
}
