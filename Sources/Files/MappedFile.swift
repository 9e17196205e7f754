import Foundation
import Formats

/// A whole file as read-only memory, faulted in page by page on first use.
///
/// The map lives as long as the object: keep it beside every pointer into it. Whoever shortens the file meanwhile makes
/// later reads of the map end in SIGBUS; files written by this module are replaced by `rename`, which leaves a map
/// intact.
public final class MappedFile: @unchecked Sendable {  // unchecked: the memory is never written, only unmapped in deinit
  /// Where the file was found.
  public let path: String
  /// All bytes; valid while this object lives.
  public let bytes: UnsafeRawBufferPointer
  private let descriptor: Int32

  /// Maps the file; `expected` is what the caller hopes to find, for the error's text: `"a safetensors file"`.
  ///
  /// - Throws: `FileError.system` or `.notAFile`.
  public init(_ path: String, expected: String = "a file") throws(FileError) {
    let descriptor: Int32
    do {
      descriptor = try InputFile.open(path)
    } catch {
      throw FileError(error, expected: expected)
    }
    do throws(FileError) {
      bytes = try Self.map(descriptor, path)
    } catch {
      close(descriptor)
      throw error
    }
    (self.path, self.descriptor) = (path, descriptor)
  }

  private static func map(_ descriptor: Int32, _ path: String) throws(FileError) -> UnsafeRawBufferPointer {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .last(path, .open) }
    let count = Int(status.st_size)
    if count == 0 { return UnsafeRawBufferPointer(start: nil, count: 0) }  // mmap refuses a length of 0
    guard let base = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
      throw .last(path, .map)
    }
    return UnsafeRawBufferPointer(start: base, count: count)
  }

  /// Copies bytes without touching the map: what is read so never counts as memory of this process, whatever its size.
  ///
  /// - Parameters:
  ///   - offset: First byte in the file.
  ///   - buffer: Memory for as many bytes as are wanted.
  /// - Throws: `FileError.system`, or `.truncated` where the file was shortened meanwhile.
  public func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let count = pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw .last(path, .read)
      }
      guard count > 0 else {
        throw .truncated(path: path, expectedBytes: offset + buffer.count, foundBytes: offset + done)
      }
      done += count
    }
  }

  deinit {
    close(descriptor)
    guard let base = bytes.baseAddress else { return }
    munmap(UnsafeMutableRawPointer(mutating: base), bytes.count)
  }
}

/// An array inside a mapped file: no copy, `owner` keeps the memory alive.
public struct MappedArray: Sendable {
  /// Element type as stored.
  public let type: ElementType
  /// Extents, row-major; empty for a scalar.
  public let shape: [Int]
  /// First byte within the file.
  public let offset: Int
  /// Bytes of all elements.
  public let byteCount: Int
  /// The map that holds the bytes.
  public let owner: MappedFile

  package init(type: ElementType, shape: [Int], offset: Int, byteCount: Int, owner: MappedFile) {
    (self.type, self.shape, self.offset, self.byteCount, self.owner) = (type, shape, offset, byteCount, owner)
  }

  /// Little-endian, row-major elements; valid while `owner` lives, aligned only as the file's writer left them.
  public var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: owner.bytes[offset..<offset + byteCount])
  }
}

/// What the first bytes of a file that is not of the expected format look like, in words.
package func describeForeignBytes(_ bytes: UnsafeRawBufferPointer) -> String {
  func starts(_ prefix: String) -> Bool { bytes.count >= prefix.utf8.count && zip(bytes, prefix.utf8).allSatisfy(==) }
  if bytes.isEmpty { return "an empty file" }
  if starts("version https://git-lfs") { return "a Git LFS pointer instead of the data" }
  if starts("\u{89}HDF\r\n") || bytes.prefix(4).elementsEqual([0x89, 0x48, 0x44, 0x46]) { return "an HDF5 file" }
  if starts("PK\u{3}\u{4}") { return "a zip archive (PyTorch checkpoints are)" }
  if starts("GGUF") { return "a GGUF file" }
  if bytes.prefix(2).elementsEqual([0x1F, 0x8B]) { return "gzip data" }
  if starts("{") || starts("[") { return "JSON text" }
  if starts("<") { return "HTML or XML text" }
  if bytes.count > 9, bytes[8] == UInt8(ascii: "{"), bytes[4..<8].allSatisfy({ $0 == 0 }) {
    return "a safetensors file"
  }
  let head = bytes.prefix(8).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined(separator: " ")
  return "\(bytes.count) bytes that begin with \(head)"
}
