import Host
import Files
import Foundation
import Models
import Tensors
import TestSupport
import Testing

@testable import Checkpoint

/// Files that claim more than they hold: an error, at once, without the memory that they ask for.
@Suite struct HubDamageTests {
  private static let odd = oracleFolder("olmoe-odd")

  /// A copy of the sound folder, in shards.
  private func shards(_ scratch: TemporaryFolder) throws -> String {
    let folder = scratch.path("model")
    try HubTensor.write(
      try HubTensor.all(in: Self.odd), to: folder, config: try TextFile.read(Self.odd + "/config.json"))
    return folder
  }

  private func message(_ folder: String) -> String {
    let began = ProcessorTime.thread
    var text = "no error"
    do { _ = try ModelFiles(opening: folder).model() } catch { text = "\(error)" }
    // Of this thread's own: what else runs takes none of it.
    #expect(ProcessorTime.thread - began < 1, "\(text)")
    return text.replacing(folder, with: "")
  }

  @Test func aHeaderOf200MegabytesIsRefusedUnread() throws {
    let scratch = try TemporaryFolder()
    let folder = try shards(scratch)
    let shard = folder + "/model-00002-of-00004.safetensors"
    for isLong in [false, true] {
      let handle = try #require(FileHandle(forUpdatingAtPath: shard))
      try handle.write(contentsOf: bytes([UInt64(200_000_000)]) + [UInt8(ascii: "{")])
      // Really that long: a hole on disk, which reads as zeros.
      if isLong { try handle.truncate(atOffset: 300_000_000) }
      try handle.close()
      #expect(
        message(folder)
          == "/model-00002-of-00004.safetensors header: expected at most 100000000 bytes, found 200000000; "
          + "try writing or fetching the file again")
    }
  }

  @Test func whatShardsAndIndexClaimIsChecked() throws {
    let index = "/model.safetensors.index.json"
    let second = "/model-00002-of-00004.safetensors"
    let table: [(name: String, change: (String) throws -> Void, text: String)] = [
      (
        "missing shard", { try FileManager.default.removeItem(atPath: $0 + second) },
        "\(second): expected to open the file, found 'No such file or directory'; try a path that exists"
      ),
      (
        "header beyond the file",
        {
          let size = try contents($0 + second).count
          let handle = try #require(FileHandle(forUpdatingAtPath: $0 + second))
          try handle.write(contentsOf: bytes([UInt64(size)]))
        },
        "\(second): expected 204008 bytes, found 204000: the file is truncated; try copying or fetching it again"
      ),
      (
        "truncated shard",
        {
          let handle = try #require(FileHandle(forUpdatingAtPath: $0 + second))
          try handle.truncate(atOffset: 100_000)
        }, "\(second): expected 204000 bytes, found 100000: the file is truncated; try copying or fetching it again"
      ),
      (
        "a pointer in place of a shard",
        { try TextFile.write("version https://git-lfs.github.com/spec/v1\n", to: $0 + second) },
        "\(second): expected a safetensors file, found a Git LFS pointer instead of the data; try another file, or "
          + "fetching this one again"
      ),
      (
        "long index",
        {
          let handle = try #require(FileHandle(forUpdatingAtPath: $0 + index))
          try handle.truncate(atOffset: 200_000_000)
        }, "\(index): expected at most 100000000 bytes, found 200000000; try writing or fetching the file again"
      ),
      (
        "long configuration",
        {
          let handle = try #require(FileHandle(forUpdatingAtPath: $0 + "/config.json"))
          try handle.truncate(atOffset: 300_000_000)
        }, "/config.json: expected at most 268435456 bytes, found 300000000; try writing or fetching the file again"
      ),
    ]
    for entry in table {
      let scratch = try TemporaryFolder()
      let folder = try shards(scratch)
      try entry.change(folder)
      #expect(message(folder) == entry.text, "\(entry.name)")
    }
  }

  /// A configuration is not taken at its word for how long a list to make.
  @Test(arguments: [
    ("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 1000000000", "num_hidden_layers: expected an integer in 1..."),
    (
      "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4000",
      ": expected tensors for the 4000 layers of the configuration, found 137 tensors in all; try writing or fetching"
    ),
    (
      "\"num_experts\": 12", "\"num_experts\": 65536",
      " model.layers.0.mlp.gate.weight: expected at least 3145728 numbers in the files, found 180240; try "
    ),
    (
      "\"vocab_size\": 300", "\"vocab_size\": 16777216",
      "embed_tokens.weight: expected at least 805306368 numbers in the"
    ),
    (
      "\"hidden_size\": 48", "\"hidden_size\": 1048576",
      "embed_tokens.weight: expected at least 314572800 numbers in the"
    ),
    (
      "\"hidden_size\": 48", "\"hidden_size\": 48, \"hidden_size\": 48",
      "found the key 'hidden_size' a second time"
    ),
  ])
  func absurdConfigurationsAreNamed(from: String, to: String, text: String) throws {
    let scratch = try TemporaryFolder()
    let folder = try shards(scratch)
    try TextFile.write(
      try TextFile.read(folder + "/config.json").replacing(from, with: to), to: folder + "/config.json")
    #expect(message(folder).contains(text))
  }

  /// A type of the format that is no type of weights.
  @Test(arguments: ["F8_E4M3", "I8"]) func foreignTypesAreNamed(type: String) throws {
    let scratch = try TemporaryFolder()
    let folder = scratch.path("model")
    var tensors = try HubTensor.all(in: Self.odd)
    tensors.removeAll { $0.name == "model.norm.weight" }
    try HubTensor.write(tensors, to: folder, config: try TextFile.read(Self.odd + "/config.json"))
    let index = folder + "/model.safetensors.index.json"
    try TextFile.write(
      try TextFile.read(index).replacing(
        "\"weight_map\": {\n", with: "\"weight_map\": {\n    \"model.norm.weight\": \"x.safetensors\",\n"), to: index)
    _ = try scratch.write(
      "model/x.safetensors",
      SafetensorsTests.file(
        #"{"model.norm.weight":{"dtype":"\#(type)","shape":[48],"data_offsets":[0,48]}}"#, data: 48))
    let found = type == "I8" ? "int8" : type
    #expect(
      message(folder).hasSuffix(
        "model.norm.weight: expected float32, bfloat16 or float16, found \(found); try converting the file"))
  }
}
