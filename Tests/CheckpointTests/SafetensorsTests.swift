import Files
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

@Suite struct SafetensorsTests {
  /// A file of a literal header and zeros for data.
  static func file(_ header: String, data: Int) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8)
      + [UInt8](repeating: 0, count: data)
  }

  @Test func readsWhatTheReferenceLibraryWrote() throws {
    let file = try SafetensorsReader(fixture("numpy.safetensors"))
    #expect(file.names == ["b", "h", "n", "w"] && file.metadata == ["format": "pt"])
    let w = try file.tensor(named: "w")
    #expect(w.type == .float32 && w.shape == [2, 3] && values(Array(w.bytes), as: Float.self) == ramp(6))
    let h = try file.tensor(named: "h")
    #expect(h.type == .float16 && h.shape == [2, 3])
    #expect(values(Array(h.bytes), as: UInt16.self) == [0xC200, 0xC180, 0xC100, 0xC080, 0xC000, 0xBF00])
    #expect(values(Array(try file.tensor(named: "n").bytes), as: Int.self) == [0, 1, 2, 3])
    #expect(file.info("b")?.type == nil && file.info("b")?.shape == [2])
    #expect(
      failure { _ = try file.tensor(named: "b") }?.description
        == "\(file.path) b: expected one of F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, found BOOL; "
        + "try converting the file")
    #expect(
      failure { _ = try file.tensor(named: "x") }?.description
        == "\(file.path): expected 'x', found nothing of that name; try listing what the file holds")
  }

  @Test(
    arguments: [
      ("empty", [], "expected a safetensors file, found an empty file; try another file, or fetching this one again"),
      (
        "short", [9, 0, 0, 0, 0, 0, 0, 0],
        "expected a safetensors file, found 8 bytes that begin with 09 00 00 00 00 00 00 00; "
          + "try another file, or fetching this one again"
      ),
      (
        "zip", Array("PK\u{3}\u{4}torch".utf8),
        "expected a safetensors file, found a zip archive (PyTorch checkpoints are); "
          + "try another file, or fetching this one again"
      ),
      (
        "array", file("[]", data: 0),
        "expected a safetensors file, found 10 bytes that begin with 02 00 00 00 00 00 00 00; "
          + "try another file, or fetching this one again"
      ),
      (
        "long header", [1, 0xE1, 0xF5, 5, 0, 0, 0, 0, 0x7B],
        " header: expected at most 100000000 bytes, found 100000001; try writing or fetching the file again"
      ),
      (
        "cut header", [100, 0, 0, 0, 0, 0, 0, 0, 0x7B],
        "expected 108 bytes, found 9: the file is truncated; try copying or fetching it again"
      ),
      (
        "broken JSON", file(#"{"a": }"#, data: 0),
        " byte 14: expected JSON with every key once, found '}' in place of a value; try writing or fetching the file again"
      ),
      (
        "cut data", file(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, data: 7),
        "expected 70 bytes, found 69: the file is truncated; try copying or fetching it again"
      ),
      (
        "rest", file(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, data: 9),
        "expected 70 bytes, found 1 more that no tensor covers; try writing or fetching the file again"
      ),
      (
        "hole",
        file(
          #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}}"#,
          data: 5),
        " b: expected data from byte 115 on, found a hole before it, data from byte 116 on; "
          + "try writing or fetching the file again"
      ),
      (
        "overlap",
        file(
          #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#,
          data: 3),
        " b: expected data from byte 115 on, found an overlap with the tensor before it, data from byte 114 on; "
          + "try writing or fetching the file again"
      ),
      (
        "twice",
        file(
          #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#,
          data: 4),
        " byte 61: expected JSON with every key once, found the key 'a' a second time; try writing or fetching the file again"
      ),
      (
        "dtype", file(#"{"a":{"dtype":"F23","shape":[2],"data_offsets":[0,8]}}"#, data: 8),
        " a: expected a dtype of the format, found 'F23'; try writing or fetching the file again"
      ),
      (
        "size", file(#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, data: 8),
        " a: expected data_offsets that fit F32 [3], found [0, 8]; try writing or fetching the file again"
      ),
      (
        "overflow",
        file(#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#, data: 0),
        " a: expected data_offsets that fit F32 [4611686018427387904, 4], found [0, 0]; "
          + "try writing or fetching the file again"
      ),
      (
        "negative", file(#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}"#, data: 8),
        " a: expected dtype, shape and two data_offsets, found something else; try writing or fetching the file again"
      ),
      (
        "metadata", file(#"{"__metadata__":{"format":1}}"#, data: 0),
        " __metadata__ format: expected a text, found something else; try writing or fetching the file again"
      ),
    ] as [(String, [UInt8], String)])
  func refuses(_ name: String, _ bytes: [UInt8], _ text: String) throws {
    let scratch = try TemporaryFolder()
    let path = try scratch.write("a.safetensors", bytes)
    // A text that begins with a space names an item of the file.
    let expected = path + (text.hasPrefix(" ") ? text : ": " + text)
    #expect(failure { _ = try SafetensorsReader(path) }?.description == expected, "\(name)")
  }

  static let declared: [SafetensorsWriter.Declaration] = [
    .init(name: "model.bias", type: .bfloat16, shape: [3]), .init(name: "model.weight", type: .float32, shape: [2, 3]),
    .init(name: "a \"quoted\" größe", type: .int64, shape: []), .init(name: "none", type: .float32, shape: [0, 2]),
  ]
  static let data: [[UInt8]] = [bytes(bfloat16(ramp(3))), bytes(ramp(6)), bytes([7]), []]

  static func fill(_ writer: consuming SafetensorsWriter) throws {
    // In another order than declared.
    for index in declared.indices.reversed() {
      try data[index].withUnsafeBytes { try writer.write(declared[index].name, $0) }
    }
    try writer.commit()
  }

  static func check(_ reader: SafetensorsReader) throws {
    #expect(reader.names == declared.map(\.name).sorted() && reader.metadata == ["format": "pt"])
    for (tensor, bytes) in zip(declared, data) {
      let found = try reader.tensor(named: tensor.name)
      #expect(found.type == tensor.type && found.shape == tensor.shape && Array(found.bytes) == bytes)
      #expect(found.offset % tensor.type.byteCount == 0)
    }
  }

  @Test func writesOneFile() throws {
    let scratch = try TemporaryFolder()
    try Self.fill(SafetensorsWriter(file: scratch.path("x.safetensors"), tensors: Self.declared))
    #expect(try scratch.files == ["x.safetensors"])
    try Self.check(SafetensorsReader(scratch.path("x.safetensors")))
  }

  @Test func writesAFolder() throws {
    let scratch = try TemporaryFolder()
    try Self.fill(SafetensorsWriter(folder: scratch.path, tensors: Self.declared))
    #expect(try scratch.files == ["model.safetensors"])
    try Self.check(SafetensorsReader(scratch.path))
    // Once more in its place, then never beside it.
    try Self.fill(SafetensorsWriter(folder: scratch.path, tensors: Self.declared))
    #expect(
      failure { _ = try SafetensorsWriter(folder: scratch.path, tensors: Self.declared, maximumShardBytes: 1) }?
        .description
        == "\(scratch.path)/model.safetensors: expected no weights of another model in the folder, found this file; "
        + "try writing or fetching the file again")
    #expect(try scratch.files == ["model.safetensors"])
  }

  @Test func writesShardsWithAnIndex() throws {
    let scratch = try TemporaryFolder()
    try Self.fill(SafetensorsWriter(folder: scratch.path, tensors: Self.declared, maximumShardBytes: 25))
    let index = scratch.path("model.safetensors.index.json")
    #expect(
      try scratch.files == [
        "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors",
        "model.safetensors.index.json",
      ])
    #expect(
      try String(contentsOfFile: index, encoding: .utf8) == #"""
        {
          "metadata": {
            "total_size": 38
          },
          "weight_map": {
            "a \"quoted\" größe": "model-00003-of-00003.safetensors",
            "model.bias": "model-00001-of-00003.safetensors",
            "model.weight": "model-00002-of-00003.safetensors",
            "none": "model-00003-of-00003.safetensors"
          }
        }

        """#)
    try Self.check(SafetensorsReader(scratch.path))
  }

  @Test func refusesAnIndexThatDisagrees() throws {
    let scratch = try TemporaryFolder()
    try Self.fill(SafetensorsWriter(folder: scratch.path, tensors: Self.declared, maximumShardBytes: 25))
    let (index, shard) = (
      scratch.path("model.safetensors.index.json"), scratch.path("model-00002-of-00003.safetensors")
    )
    let text = try String(contentsOfFile: index, encoding: .utf8)
    let table: [(from: String, to: String, text: String)] = [
      (
        "\"model.weight\"", "\"model.weights\"",
        "\(shard) model.weight: expected only tensors that the index places in this file, found one that it does not know; "
          + "try writing or fetching the file again"
      ),
      (
        "\"none\": ", "\"nine\": \"model-00003-of-00003.safetensors\", \"none\": ",
        "\(scratch.path("model-00003-of-00003.safetensors")): expected 'nine', found nothing of that name; "
          + "try 'none', the nearest name in the file"
      ),
      (
        "model-00002-of", "../model-00002-of",
        "\(index) model.weight: expected the name of a file in the same folder, found something else; "
          + "try writing or fetching the file again"
      ),
      (
        "model-00002-of", "model-00009-of",
        "\(scratch.path("model-00009-of-00003.safetensors")): expected to open the file, found 'No such file or directory'; "
          + "try a path that exists"
      ),
      (
        "\"model.bias\"", "\"none\"",
        "\(index) byte 234: expected JSON with every key once, found the key 'none' a second time; try writing or fetching the file again"
      ),
      (
        "weight_map", "map",
        "\(index): expected an object 'weight_map', found none; try writing or fetching the file again"
      ),
    ]
    for entry in table {
      _ = try scratch.write(
        "model.safetensors.index.json", Array(text.replacingOccurrences(of: entry.from, with: entry.to).utf8))
      #expect(failure { _ = try SafetensorsReader(scratch.path) }?.description == entry.text)
    }
    try FileManager.default.removeItem(atPath: index)
    #expect(
      failure { _ = try SafetensorsReader(scratch.path) }?.description
        == "\(scratch.path): expected a folder with model.safetensors or model.safetensors.index.json, found neither; "
        + "try another file, or fetching this one again")
  }

  @Test func uncommittedFilesLeaveNothing() throws {
    let scratch = try TemporaryFolder()
    do {
      var writer = try SafetensorsWriter(folder: scratch.path, tensors: Self.declared, maximumShardBytes: 25)
      try Self.data[1].withUnsafeBytes { try writer.write("model.weight", $0) }
      #expect(try scratch.files.count == 3)
    }
    #expect(try scratch.files == [])
  }
}
