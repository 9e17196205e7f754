import Files
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

@Suite struct HDF5DamageTests {
  @Test func saysWhatIsWrongWithAFile() throws {
    let scratch = try TemporaryFolder()
    let good = scratch.path("good.h5")
    try HDF5WritingTests.writeSample(good)
    let bytes = try contents(good)
    let half = bytes.count / 2
    let table: [(name: String, bytes: [UInt8], text: String)] = [
      ("empty.h5", [], "expected an HDF5 file, found an empty file; try another file, or fetching this one again"),
      (
        "half.h5", Array(bytes[..<half]),
        "expected \(bytes.count) bytes, found \(half): the file is truncated; try copying or fetching it again"
      ),
      (
        "text.h5", Array("version https://git-lfs.github.com/spec/v1\n".utf8),
        "expected an HDF5 file, found a Git LFS pointer instead of the data; try another file, or fetching this one again"
      ),
      (
        "torch.h5", Array("PK\u{3}\u{4}....".utf8),
        "expected an HDF5 file, found a zip archive (PyTorch checkpoints are); try another file, or fetching this one again"
      ),
      (
        "noise.h5", Array(1...20),
        "expected an HDF5 file, found 20 bytes that begin with 01 02 03 04 05 06 07 08; "
          + "try another file, or fetching this one again"
      ),
    ]
    for entry in table {
      let path = try scratch.write(entry.name, entry.bytes)
      #expect(failure { _ = try HDF5Reader(path) }?.description == "\(path): \(entry.text)")
    }
    let weights = fixture("numpy.safetensors")
    #expect(
      failure { _ = try HDF5Reader(weights) }?.description
        == "\(weights): expected an HDF5 file, found a safetensors file; try another file, or fetching this one again")
    #expect(
      failure { _ = try HDF5Reader(scratch.path) }?.description
        == "\(scratch.path): expected an HDF5 file, found something that is not a regular file; "
        + "try the path of the file itself")
    let absent = scratch.path("absent.h5")
    #expect(
      failure { _ = try HDF5Reader(absent) }?.description
        == "\(absent): expected to open the file, found 'No such file or directory'; try a path that exists")
  }

  @Test func saysWhyItCannotWrite() throws {
    let scratch = try TemporaryFolder()
    let lost = scratch.path("lost/a.h5")
    #expect(
      failure { _ = try HDF5Writer(creating: lost) }?.description
        == "\(lost): expected to create the file, found 'No such file or directory'; try creating its folder first")
    let inside = try scratch.write("file", [1]) + "/a.h5"
    #expect(
      failure { _ = try HDF5Writer(creating: inside) }?.description
        == "\(inside): expected to create the file, found 'Not a directory'; "
        + "try the path of a file, in a folder that exists")
    #expect(
      failure { _ = try HDF5Writer(creating: scratch.path) }?.description
        == "\(scratch.path): expected an HDF5 file, found something that is not a regular file; "
        + "try the path of the file itself")
    #expect(try scratch.files == ["file"])
  }

  /// A limit on file size stands in for a full disk; it holds for a whole process, hence the child.
  @Test func survivesAFullDisk() async {
    await #expect(processExitsWith: .success) {
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 200_000, rlim_max: 200_000)
      precondition(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
      let scratch = try TemporaryFolder()
      let path = try scratch.write("a.h5", [1, 2, 3])
      let data = [Float](repeating: 1, count: 100_000)
      for layout in [nil, .contiguous()] as [HDF5Layout?] {
        let error = failure {
          let file = try HDF5Writer(creating: path)
          try file.write("small", [3], .float32, ramp(3))
          try file.write("large", [100_000], .float32, data, layout)
          try file.commit()
        }
        precondition(
          error?.description
            == "\(path): expected to write the file, found 'File too large', more than the 200 KB that "
            + "'ulimit -f' allows; try 'ulimit -f unlimited' first, or another disk; a file of that name that was there before is untouched",
          "\(error as Any)")
        let (files, old) = (try scratch.files, try contents(path))
        precondition(files == ["a.h5"] && old == [1, 2, 3])
      }
      let error = failure {
        var writer = try SafetensorsWriter(file: path, tensors: [.init(name: "x", type: .float32, shape: [100_000])])
        try data.withUnsafeBytes { try writer.write("x", $0) }
        try writer.commit()
      }
      precondition(error == .system(path: path, action: .write, code: EFBIG), "\(error as Any)")
      let (files, old) = (try scratch.files, try contents(path))
      precondition(files == ["a.h5"] && old == [1, 2, 3])
    }
  }

  @Test func namesTheDamagedDataset() throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("a.h5")
    let layouts: [(HDF5Layout, String)] = [
      (.chunked([2, 6]), "data error detected by Fletcher32 checksum"), (.contiguous(), "CRC-32C differs"),
      (.contiguous(checksum: .rows), "CRC-32C of entry 3 differs"),
    ]
    for (layout, reason) in layouts {
      let file = try HDF5Writer(creating: path)
      try file.write("model/x", [4, 6], .float32, ramp(24), layout)
      try file.commit()
      var damaged = try contents(path)
      let last = bytes(ramp(24).suffix(6).map { $0 })
      let place = try #require(damaged.indices.first { damaged[$0...].starts(with: last) })
      damaged[place + 5] ^= 0x10
      _ = try scratch.write("a.h5", damaged)

      let reader = try HDF5Reader(path)
      #expect(
        failure { _ = try reader.bytes("model/x") }?.description
          == "\(path) /model/x: expected intact data, found damage (\(reason)); try copying or fetching the file again")
      // The damage is in the last entry, or its chunk: the first two are fine where they are checked alone.
      var part = [Float](repeating: .nan, count: 12)
      try part.withUnsafeMutableBytes { try reader.read("model/x", rows: 0..<2, into: $0) }
      #expect(part == Array(ramp(12)))
    }
  }

  /// One bit of every third byte in turn: the file is refused, or reads exactly as before.
  @Test(.timeLimit(.minutes(Hang.minutes)), arguments: [false, true])
  func noFlippedBitGoesUnseen(contiguous: Bool) async {
    await #expect(processExitsWith: .success) { [contiguous] in
      let scratch = try TemporaryFolder()
      let path = scratch.path("a.h5")
      let file = try HDF5Writer(creating: path)
      try file.write("a/x", [4, 6], .float32, ramp(24), contiguous ? .contiguous() : .chunked([2, 6]))
      try file.write("a/y", [8], .bfloat16, bfloat16(ramp(8)), contiguous ? .contiguous(checksum: .rows) : nil)
      try file.write("text", string: "{\"hidden\": 192}")
      try file.setAttribute("version", .integer(1))
      try file.setAttribute("format", .string("occult"))
      try file.commit()
      func read(_ path: String) throws -> [[UInt8]] {
        let file = try HDF5Reader(path)
        return [
          try file.bytes("a/x").bytes, try file.bytes("a/y").bytes, Array(try file.string("text").utf8),
          Array(
            "\(try file.datasets()) \(try file.integer(attribute: "version")) \(try file.string(attribute: "format"))"
              .utf8),
        ]
      }
      let (original, expected) = (try contents(path), try read(path))
      var seen = 0
      for index in stride(from: 0, to: original.count, by: 3) {
        var damaged = original
        damaged[index] ^= 1 << UInt8(index % 8)
        _ = try scratch.write("b.h5", damaged)
        do {
          let found = try read(scratch.path("b.h5"))
          precondition(found == expected, "byte \(index) of \(original.count) changed what is read")
        } catch is FileError {
          seen += 1
        }
      }
      // Most bytes of so small a file are headers or unused room.
      precondition(seen > 200, "only \(seen) of \(original.count / 3) flips were noticed")
    }
  }
}
