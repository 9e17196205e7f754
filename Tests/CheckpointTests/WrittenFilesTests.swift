import Files
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

/// What was written is read again before the file gets its name.
@Suite struct WrittenFilesTests {
  private static let layouts: [HDF5Layout] = [
    .chunked([1, 64]), .chunked([2, 33], deflate: 3, shuffle: true), .contiguous(), .contiguous(checksum: .rows),
    .contiguous(checksum: .none),
  ]

  /// The ledger knows every byte: one other byte on disk, before the file gets its name, is an error.
  @Test(arguments: layouts) func anotherByteIsNoticed(layout: HDF5Layout) throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("a.h5")
    let values = ramp(4 * 128)
    let file = try HDF5Writer(creating: path)
    var dataset = try file.dataset("x", shape: [4, 128], type: .float32, layout: layout)
    for row in 0..<4 {
      try values[row * 128..<(row + 1) * 128].withUnsafeBytes { try dataset.append($0) }
    }
    try dataset.finish()
    try file.write("text", string: "words")
    try file.setAttribute("n", .reals([.nan, 1]))
    try file.commit()

    let ledger = HDF5Ledger()
    ledger.add(dataset: "/x", checksum: CRC32C.checksum(bytes(values)))
    ledger.add(dataset: "/text", checksum: CRC32C.checksum("words".utf8))
    ledger.add(attribute: "n", .reals([.nan, 1]), of: "/")
    try ledger.compare(with: try HDF5Reader(path))
    var other = values
    other[300] += 1
    let cases: [(HDF5Ledger) -> Void] = [
      { $0.add(dataset: "/x", checksum: CRC32C.checksum(bytes(other))) },
      { $0.add(dataset: "/text", checksum: CRC32C.checksum("wards".utf8)) },
      { $0.add(attribute: "n", .reals([.nan, 2]), of: "/") }, { $0.add(attribute: "m", .integer(1), of: "/") },
    ]
    for spoil in cases {
      let spoilt = HDF5Ledger()
      spoil(spoilt)
      guard case .unverified? = failure({ try spoilt.compare(with: try HDF5Reader(path)) }) else {
        Issue.record("nothing noticed")
        continue
      }
    }
    #expect(
      FileError.unverified(path: "a.h5", item: "/x", expected: "CRC-32C 1", found: "2").description
        == "a.h5 /x: expected to read what was written (CRC-32C 1), found other bytes (2); try another disk; a file of "
        + "that name that was there before is untouched")
  }

  /// A byte that changes on disk before the file gets its name: the file never gets it.
  @Test(
    arguments: [.chunked([1, 64]), .contiguous(), .contiguous(checksum: .rows), .contiguous(checksum: .none)]
      as [HDF5Layout])
  func damageBeforeTheNameIsNoticed(layout: HDF5Layout) throws {
    let scratch = try TemporaryFolder()
    let path = try scratch.write("a.h5", [1, 2, 3])
    let values = ramp(4 * 128)
    let error = failure {
      let file = try HDF5Writer(creating: path)
      try file.write("x", [4, 128], .float32, values, layout)
      let tail = bytes(Array(values.suffix(16)))
      let written = (try? contents(path + ".tmp")) ?? []
      guard let place = written.indices.first(where: { written[$0...].starts(with: tail) }) else {
        Issue.record("closing the dataset did not write it")
        return
      }
      let descriptor = open(path + ".tmp", O_WRONLY)
      #expect(pwrite(descriptor, [written[place] ^ 1], 1, off_t(place)) == 1)
      close(descriptor)
      try file.commit()
    }
    #expect(error != nil)
    #expect(try scratch.files == ["a.h5"] && contents(path) == [1, 2, 3])
  }

  /// A limit on the size of files, wherever it falls: below the file's size nothing is there, at it everything. Small
  /// chunks reach the disk when a dataset is closed, and the error is that of the close alone.
  @Test func everyLimitOnSizeIsNoticed() async {
    await #expect(processExitsWith: .success) {
      signal(SIGXFSZ, SIG_IGN)
      let scratch = try TemporaryFolder()
      func write(_ name: String, _ layout: HDF5Layout) throws {
        let file = try HDF5Writer(creating: scratch.path(name))
        for dataset in ["a", "b", "c"] { try file.write(dataset, [60, 60], .float32, ramp(3600), layout) }
        try file.commit()
      }
      for layout in [.chunked([8, 60]), .contiguous(checksum: .rows)] as [HDF5Layout] {
        try write("whole.h5", layout)
        let size = try contents(scratch.path("whole.h5")).count
        for limit in stride(from: 100, to: size + 2000, by: 1111) {
          var bounds = rlimit(rlim_cur: rlim_t(limit), rlim_max: rlim_t.max)
          precondition(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &bounds) == 0)
          let error = failure { try write("a.h5", layout) }
          precondition((error == nil) == (limit >= size), "\(limit) of \(size): \(error as Any)")
          let files = try scratch.files
          precondition(files == (error == nil ? ["a.h5", "whole.h5"] : ["whole.h5"]))
          if error == nil {
            let (found, whole) = (try contents(scratch.path("a.h5")), try contents(scratch.path("whole.h5")))
            precondition(found == whole)
            unlink(scratch.path("a.h5"))
          }
        }
        bounds()
      }
      func bounds() {
        var none = rlimit(rlim_cur: rlim_t.max, rlim_max: rlim_t.max)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &none)
      }
    }
  }

  @Test func checksOfPartsGiveThatOfTheWhole() {
    let all = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * 37 + $0 / 8) }
    for cuts in [[0], [0, 100_000], [1, 2, 3, 65_536], [99_999], [4096, 8192]] {
      var (crc, start) = (CRC32C(), 0)
      for end in cuts + [all.count] {
        crc.append(CRC32C.checksum(all[start..<end]), of: end - start)
        start = end
      }
      #expect(crc.value == CRC32C.checksum(all), "\(cuts)")
    }
  }

  /// What may lose a write or an error, and what says more about Foundation than about the file, has no place in the
  /// sources.
  @Test func sourcesWriteInOneWay() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Sources")
    let forbidden: [(Regex<Substring>, String)] = [
      (/localizedDescription/, "words of Foundation's: use SystemReason.words"),
      (/FileManager[a-z.]*\.createDirectory|manager\.createDirectory/, "use OutputFolder.makeFolders"),
      (/copyItem|\.moveItem|replaceItem/, "use TextFile.write or PendingFile"),
      (/options: \.atomic|atomically:|\.write\(to: URL|createFile\(/, "use TextFile.write or PendingFile"),
      (/FileHandle\.standard(?:Error|Output)\.write\(Data/, "traps where the stream is gone: use StandardError.write"),
      (/_ = H5[A-Z][a-z_0-9]+\(|_ = (?:Foundation\.)?(?:fsync|rename|ftruncate)\(/, "check the status"),
    ]
    let allowed: Set = ["HDF5Library.swift"]
    let files = try #require(FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil))
    var count = 0
    for case let file as URL in files where file.pathExtension == "swift" {
      count += 1
      if allowed.contains(file.lastPathComponent) { continue }
      for (number, line) in try TextFile.read(file.path).split(separator: "\n", omittingEmptySubsequences: false)
        .enumerated()
      {
        for (pattern, advice) in forbidden where line.contains(pattern) {
          Issue.record("\(file.lastPathComponent):\(number + 1): \(line); \(advice)")
        }
      }
    }
    #expect(count > 300)
  }
}
