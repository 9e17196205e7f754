import Files
import Foundation
import Testing

@testable import Checkpoint

/// A file beside the script that made it.
func fixture(_ name: String, _ testFile: String = #filePath) -> String {
  (testFile as NSString).deletingLastPathComponent + "/Fixtures/" + name
}

func contents(_ path: String) throws -> [UInt8] {
  Array(try Data(contentsOf: URL(fileURLWithPath: path)))
}

func bytes<T: BitwiseCopyable>(_ values: [T]) -> [UInt8] {
  values.withUnsafeBytes { Array($0) }
}

func values<T: BitwiseCopyable>(_ bytes: [UInt8], as type: T.Type) -> [T] {
  bytes.withUnsafeBytes { raw in
    stride(from: 0, to: raw.count, by: MemoryLayout<T>.size).map { raw.loadUnaligned(fromByteOffset: $0, as: T.self) }
  }
}

/// `i/4 - 3`, as in the fixtures' script.
func ramp(_ count: Int) -> [Float] { (0..<count).map { Float($0) / 4 - 3 } }

/// The upper halves: exact for the ramp.
func bfloat16(_ values: [Float]) -> [UInt16] { values.map { UInt16($0.bitPattern >> 16) } }

extension HDF5Writer {
  /// What a test writes most.
  func write<T: BitwiseCopyable>(
    _ path: String, _ shape: [Int], _ type: ElementType, _ values: [T], _ layout: HDF5Layout? = nil
  ) throws(FileError) {
    try values.withUnsafeBufferPointer { (buffer) throws(FileError) in
      try write(path, shape: shape, type: type, bytes: UnsafeRawBufferPointer(buffer), layout: layout)
    }
  }
}

/// The error that `body` throws, or a failed test.
func failure(_ body: () throws -> Void) -> FileError? {
  do {
    try body()
    return nil
  } catch {
    return error as? FileError
  }
}
