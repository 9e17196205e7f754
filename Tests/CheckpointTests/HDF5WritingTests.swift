import Files
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

@Suite struct HDF5WritingTests {
  /// One of everything that a checkpoint has.
  static func writeSample(_ path: String, alignment: Int = 1, layout: (([Int], ElementType) -> HDF5Layout)? = nil)
    throws
  {
    let file = try HDF5Writer(creating: path, alignment: alignment)
    let shape = [4, 6, 2]
    try file.write("model/layers/0/up", shape, .float32, ramp(48), layout?(shape, .float32))
    try file.write("/model/layers/0/down/", shape, .bfloat16, bfloat16(ramp(48)), layout?(shape, .bfloat16))
    try file.write("model/half", [3], .float16, [0xC200, 0x3C00, 0x0001] as [UInt16], layout?([3], .float16))
    try file.write("scalar", [], .float64, [2.5])
    try file.write("empty", [0, 4], .float32, [Float]())
    try file.write("layers/0/load", [4], .int64, [1, 2, 3, 4], .contiguous(checksum: .rows))
    try file.write("config_json", string: "{\"größe\": 1}")
    try file.write("nothing", string: "")
    try file.makeGroup("routing/tables")
    try file.setAttribute("format", .string("occult"))
    try file.setAttribute("version", .integer(1))
    try file.setAttribute("share", .real(0.5), of: "model")
    try file.setAttribute("hosts", .strings(["a", "ü"]), of: "model")
    try file.setAttribute("sizes", .integers([1, -2]), of: "model/half")
    try file.setAttribute("rates", .reals([0.5]), of: "model/half")
    try file.commit()
  }

  static func checkSample(_ path: String) throws {
    let file = try HDF5Reader(path)
    #expect(
      try file.datasets() == [
        "/config_json", "/empty", "/layers/0/load", "/model/half", "/model/layers/0/down", "/model/layers/0/up",
        "/nothing", "/scalar",
      ])
    #expect(
      try file.groups() == [
        "/layers", "/layers/0", "/model", "/model/layers", "/model/layers/0", "/routing", "/routing/tables",
      ])
    let (up, upBytes) = try file.bytes("model/layers/0/up")
    #expect(up.shape == [4, 6, 2] && up.type == .element(.float32))
    #expect(values(upBytes, as: Float.self) == ramp(48))
    let (down, downBytes) = try file.bytes("model/layers/0/down")
    #expect(down.shape == [4, 6, 2] && down.type == .element(.bfloat16))
    #expect(values(downBytes, as: UInt16.self) == bfloat16(ramp(48)))
    #expect(try file.attribute("dtype", of: "model/layers/0/down") == .string("BF16"))
    let half = try file.bytes("model/half")
    #expect(half.info.type == .element(.float16) && values(half.bytes, as: UInt16.self) == [0xC200, 0x3C00, 1])
    #expect(values(try file.bytes("scalar").bytes, as: Double.self) == [2.5])
    #expect(try file.bytes("empty").info.shape == [0, 4])
    #expect(values(try file.bytes("layers/0/load").bytes, as: Int.self) == [1, 2, 3, 4])
    #expect(try file.string("config_json") == "{\"größe\": 1}" && file.string("nothing") == "")
    #expect(try file.string(attribute: "format") == "occult" && file.integer(attribute: "version") == 1)
    #expect(try file.real(attribute: "share", of: "model") == 0.5)
    #expect(try file.attribute("hosts", of: "model") == .strings(["a", "ü"]))
    #expect(try file.attribute("sizes", of: "model/half") == .integers([1, -2]))
    #expect(try file.attribute("rates", of: "model/half") == .reals([0.5]))
  }

  @Test(
    arguments: [
      nil, { _, _ in .contiguous() }, { _, _ in .contiguous(checksum: .rows) },
      { _, _ in .contiguous(checksum: .none) },
      { .chunked(shape: $0, type: $1, deflate: 4, shuffle: true) },
      { shape, _ in .chunked(shape.map { min($0, 4) }, fletcher32: false) },
    ] as [(@Sendable ([Int], ElementType) -> HDF5Layout)?])
  func comesBackInEveryLayout(layout: (@Sendable ([Int], ElementType) -> HDF5Layout)?) throws {
    let scratch = try TemporaryFolder()
    try Self.writeSample(scratch.path("a.h5"), layout: layout)
    try Self.checkSample(scratch.path("a.h5"))
    #expect(try scratch.files == ["a.h5"])
  }

  @Test func sameCallsMakeSameBytes() throws {
    let scratch = try TemporaryFolder()
    try Self.writeSample(scratch.path("a.h5"))
    Thread.sleep(forTimeInterval: 1.1)  // HDF5's times are whole seconds
    try Self.writeSample(scratch.path("b.h5"))
    #expect(try contents(scratch.path("a.h5")) == contents(scratch.path("b.h5")))
  }

  @Test func alignedDataCanBeMapped() throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("mapped.h5")
    try Self.writeSample(path, alignment: 4096) { _, _ in .contiguous(checksum: .rows) }
    try Self.checkSample(path)
    let (file, map) = (try HDF5Reader(path), try MappedFile(path))
    for name in try file.datasets() where try file.info(name).type != .string {
      let array = try file.map(name, in: map)
      #expect(array.offset % 4096 == 0, "\(name)")
      #expect(try Array(array.bytes) == file.bytes(name).bytes)
    }
    let up = try file.map("model/layers/0/up", in: map)
    let checksums = try file.checksums("model/layers/0/up")
    #expect(checksums == (0..<4).map { CRC32C.checksum(up.bytes[$0 * 48..<$0 * 48 + 48]) })
  }

  @Test(arguments: [nil, .contiguous(checksum: .rows), .contiguous(), .chunked([2, 5])] as [HDF5Layout?])
  func readsAndWritesRows(layout: HDF5Layout?) throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("rows.h5")
    let file = try HDF5Writer(creating: path)
    var target = try file.dataset("x", shape: [7, 5], type: .float32, layout: layout)
    let all = ramp(35)
    for rows in [0..<1, 1..<1, 1..<4, 4..<7] {
      try all[rows.lowerBound * 5..<rows.upperBound * 5].withUnsafeBytes { try target.append($0) }
    }
    try target.finish()
    try file.commit()

    let reader = try HDF5Reader(path)
    #expect(values(try reader.bytes("x").bytes, as: Float.self) == all)
    for rows in [0..<7, 0..<1, 2..<5, 6..<7, 3..<3] {
      var part = [Float](repeating: .nan, count: rows.count * 5)
      try part.withUnsafeMutableBytes { try reader.read("x", rows: rows, shape: [7, 5], type: .float32, into: $0) }
      #expect(part == Array(all[rows.lowerBound * 5..<rows.upperBound * 5]))
    }
  }

  @Test func checksTypeAndShape() throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("a.h5")
    try Self.writeSample(path)
    let file = try HDF5Reader(path)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 192, alignment: 4)
    defer { buffer.deallocate() }
    #expect(
      failure { try file.read("model/layers/0/up", shape: [4, 6, 2], type: .bfloat16, into: buffer) }?.description
        == "\(path) /model/layers/0/up: expected bfloat16, found float32; try converting the file")
    #expect(
      failure { try file.read("model/layers/0/up", shape: [6, 4, 2], into: buffer) }?.description
        == "\(path) /model/layers/0/up: expected shape [6, 4, 2], found [4, 6, 2]; try the file that belongs to this model"
    )
    #expect(
      failure { _ = try file.map("model/half", in: MappedFile(path)) }?.description
        == "\(path) /model/half: expected contiguous storage to map, found chunked([3]); try writing it in another way")
  }

  @Test func holdsLongText() throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("text.h5")
    let text = String(repeating: "tokenizer 世界 ", count: 100_000)
    let file = try HDF5Writer(creating: path)
    try file.write("tokenizer_json", string: text)
    try file.setAttribute("long", .string(text))
    #expect(
      failure { try file.write("zero", string: "a\0b") }?.description
        == "\(path) /zero: expected text without a zero byte, found one; try writing it in another way")
    #expect(
      failure { try file.setAttribute("zero", .string("a\0b")) }?.description
        == "\(path) /: expected text without a zero byte in attribute 'zero', found one; try writing it in another way")
    try file.commit()
    let reader = try HDF5Reader(path)
    #expect(try reader.string("tokenizer_json") == text && reader.string(attribute: "long") == text)
  }

  @Test func chunksAreSmallAndNeverSpanExperts() {
    let table: [([Int], ElementType, HDF5Layout)] = [
      ([64, 64, 192], .bfloat16, .chunked([1, 64, 192])),
      ([64, 2048, 2048], .bfloat16, .chunked([1, 256, 2048])),
      ([2, 1, 4_000_000], .float32, .chunked([1, 1, 262_144])),
      ([50304, 2048], .float32, .chunked([128, 2048])),
      ([192], .float32, .chunked([192])), ([], .float32, .contiguous()), ([0, 3], .float32, .contiguous()),
    ]
    for (shape, type, layout) in table { #expect(HDF5Layout.chunked(shape: shape, type: type) == layout) }
  }

  @Test func uncommittedFilesLeaveNothing() throws {
    let scratch = try TemporaryFolder()
    let path = try scratch.write("a.h5", [1, 2, 3])
    do {
      let file = try HDF5Writer(creating: path)
      try file.write("x", [3], .float32, ramp(3))
      #expect(try scratch.files == ["a.h5", "a.h5.tmp"])
    }
    #expect(try scratch.files == ["a.h5"])
    #expect(try contents(path) == [1, 2, 3])
    // What a killed writer left behind is overwritten.
    _ = try scratch.write("a.h5.tmp", [UInt8](repeating: 7, count: 10_000))
    try Self.writeSample(path)
    try Self.checkSample(path)
    #expect(try scratch.files == ["a.h5"])
  }

  @Test func twoWritersOfOneFileCollide() throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("a.h5")
    let first = try HDF5Writer(creating: path)
    #expect(
      failure { _ = try HDF5Writer(creating: path) }?.description
        == "\(path): expected to lock the file, found 'Resource temporarily unavailable'; try again when no other program "
        + "has it open, or setting HDF5_USE_FILE_LOCKING=FALSE if the file system has no locks")
    try first.write("x", [3], .float32, ramp(3))
    try first.commit()
    #expect(values(try HDF5Reader(path).bytes("x").bytes, as: Float.self) == ramp(3))
  }

  @Test func threadsShareAReader() async throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("a.h5")
    try Self.writeSample(path)
    let file = try HDF5Reader(path)
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for _ in 0..<16 {
        group.addTask { values(try file.bytes("model/layers/0/up").bytes, as: Float.self) == ramp(48) }
      }
      for try await same in group { #expect(same) }
    }
  }
}
