import Foundation
import Testing

@testable import Placements
@testable import Profiles

@Suite struct RecordedArrayTests {
  /// A version 1 file with the given header and data.
  static func file(_ header: String, _ bytes: [UInt8], version: UInt8 = 1) -> Data {
    let text = Array((header + "\n").utf8)
    let length = version == 1 ? [UInt8(text.count), 0] : [UInt8(text.count), 0, 0, 0]
    return Data(NumPyArray.magic + [version, 0] + length + text + bytes)
  }

  static func header(_ type: String = "<i2", _ shape: String = "(2, 1, 2)", fortran: String = "False") -> String {
    "{'descr': '\(type)', 'fortran_order': \(fortran), 'shape': \(shape), }"
  }

  static func message(_ data: Data, experts: Int? = 16) -> String {
    do throws(RecordedRoutingError) {
      let array = try NumPyArray(data, file: "r.npy")
      _ = try RecordedRouting([.init(file: "r.npy", contents: .array(array))], experts: experts)
      return "no error"
    } catch { return error.description }
  }

  @Test(arguments: ["int16", "int32_big_endian", "uint8_fortran", "int64", "uint16"])
  func everyTypeAndOrderIsRead(name: String) throws {
    let recording = try RecordedRouting(path: oracle("routed_experts_\(name).npy"), experts: 11)
    let profile = recording.profile
    #expect(profile.experts == 11 && profile.topK == 2 && profile.tokens == 5 && recording.warnings.isEmpty)
    #expect(profile.layers.map(\.layer) == [0, 1, 2])
    for layer in 0..<3 {
      let expected = (0..<5).flatMap { token in
        [0, 4].map { Int32((3 * token + 5 * layer + $0) % 11) }.sorted()
      }
      #expect(profile.layers[layer].sets == expected)
      #expect(profile.layers[layer].weights.isEmpty)
    }
  }

  @Test func severalFilesAreSeveralDocuments() throws {
    let array = try RecordedSource(path: oracle("routed_experts_int16.npy"))
    let other = try RecordedSource(path: oracle("routed_experts_int64.npy"))
    let recording = try RecordedRouting([array, other], firstLayer: 1)
    let layer = recording.profile.layers[0]
    #expect(layer.layer == 1 && layer.documents == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    #expect(recording.warnings.count == 1 && recording.profile.experts == 11)
    // Again from the profile: the same rows.
    let again = try RecordedRouting([.init(file: "p.h5", contents: .profile(recording.profile))])
    #expect(again.profile.layers == recording.profile.layers)
    // With weights in one file alone there are none.
    let text = Data(#"{"layer":1,"topk_ids":[1,0],"topk_weights":[0.5,0.5]}"#.utf8)
    let mixed = try RecordedRouting([array, .init(file: "r.jsonl", contents: .lines(text))], experts: 11)
    #expect(mixed.profile.layers[1].weights.isEmpty && mixed.profile.layers[1].recorded == 6)
    #expect(mixed.warnings == ["some of the files have no weights; leaving out those of the others"])
  }

  @Test func layersOfZerosAreDense() throws {
    let data = Self.file(Self.header("|u1", "(3, 2, 2)"), [0, 0, 1, 2, 0, 0, 3, 4, 0, 0, 1, 5])
    let recording = try RecordedRouting(
      [.init(file: "r.npy", contents: .array(try NumPyArray(data, file: "r.npy")))], experts: 6)
    #expect(recording.profile.layers.map(\.layer) == [1])
    #expect(recording.warnings == ["r.npy: layer 0 is all zero: taken for a dense one and left out"])
  }

  @Test func laterVersionsAndOtherOrdersOfKeysAreTheSame() throws {
    let bytes: [UInt8] = [1, 0, 2, 0, 3, 0, 4, 0]
    for data in [
      Self.file(Self.header(), bytes), Self.file(Self.header(), bytes, version: 2),
      Self.file("{\"shape\": (2,1,2), \"fortran_order\":False,\"descr\":\"<i2\"}", bytes, version: 3),
    ] {
      let array = try NumPyArray(data, file: "r.npy")
      #expect(array.shape == [2, 1, 2] && array.numbers == [1, 2, 3, 4])
    }
  }

  static let brokenArrays: [(Data, String)] = [
    (Data(NumPyArray.magic), "header: expected at least 10 bytes, found 6; try copying or fetching the file again"),
    (
      file(header(), [], version: 9), "version: expected 1, 2 or 3, found 9; try numpy.save of a current NumPy"
    ),
    (
      file(header(), [1, 0, 2, 0, 3, 0, 4]),
      "data: expected 8 bytes for shape [2, 1, 2] of int16, found 7; try copying or fetching the file again"
    ),
    (
      file(header(), [1, 0, 2, 0, 3, 0, 4, 0, 9]),
      "data: expected 8 bytes for shape [2, 1, 2] of int16, found 9; try copying or fetching the file again"
    ),
    (
      file(header("<c8"), []),
      "dtype: expected integers (int16 or the like), found '<c8'; try array.astype('int16') before saving"
    ),
    (
      file(header("|O"), []),
      "dtype: expected integers (int16 or the like), found '|O'; try array.astype('int16') before saving"
    ),
    (
      file(header("<f4", "(1, 1, 2)"), [UInt8](repeating: 0, count: 8)),
      "dtype: expected integers (int16 or the like), found float32; try array.astype('int16') before saving, or --loads "
        + "for shares of experts"
    ),
    (
      file(header("|u1", "(2, 2)"), [1, 2, 3, 4]),
      "shape: expected [tokens, layers, k], none of them 0, found [2, 2]; try the routed_experts of one request"
    ),
    (
      file(header("|u1", "(0, 2, 2)"), []),
      "shape: expected [tokens, layers, k], none of them 0, found [0, 2, 2]; try the routed_experts of one request"
    ),
    (
      file(header("|u1", "(4000000000, 4000000000, 4000000000)"), []),
      "shape: expected a size that fits in memory, found [4000000000, 4000000000, 4000000000]; try copying or fetching "
        + "the file again"
    ),
    (
      file("{'descr': [('a', '<i2')], 'fortran_order': False, 'shape': (2,), }", []),
      "header: expected descr, fortran_order and shape, found {'descr': [('a', '<i2')], 'fortran_order': False, "
        + "'shape': (2,), }; try numpy.save of an array of numbers"
    ),
    (
      file("{'descr': '<i2', 'shape': (2,), }", []),
      "header: expected descr, fortran_order and shape, found {'descr': '<i2', 'shape': (2,), }; try numpy.save of an "
        + "array of numbers"
    ),
  ]

  @Test(arguments: brokenArrays)
  func brokenArraysAreNamed(data: Data, problem: String) {
    #expect(Self.message(data) == "r.npy: " + problem)
  }

  @Test func brokenRowsAreNamed() {
    let advice = "; try the right --experts, or leaving out tokens that were not recorded"
    func file(_ ids: [UInt8]) -> Data { Self.file(Self.header("|u1", "(\(ids.count / 2), 1, 2)"), ids) }
    #expect(
      Self.message(file([1, 2, 3, 16])) == "r.npy: token 1, layer 0: topk_ids: expected experts in 0..<16, found 16"
        + advice)
    #expect(
      Self.message(file([1, 2, 3, 3, 255, 255]))
        == "r.npy: token 1, layer 0: topk_ids: expected different experts, found one twice (2 broken rows in all)"
        + advice)
    #expect(
      Self.message(Self.file(Self.header("|i1", "(1, 1, 2)"), [255, 1]), experts: nil)
        == "r.npy: token 0, layer 0: topk_ids: expected experts in 0..<E, found -1" + advice)
  }

  @Test func filesOfTwoModelsAreRefused() throws {
    func lines(_ text: String) -> RecordedSource { .init(file: "b.jsonl", contents: .lines(Data(text.utf8))) }
    func message(_ sources: [RecordedSource]) -> String {
      do throws(RecordedRoutingError) {
        _ = try RecordedRouting(sources)
        return "no error"
      } catch { return error.description }
    }
    let path = oracle("routed_experts_int16.npy")
    let array = RecordedSource(file: "a.npy", contents: try RecordedSource(path: path).contents)
    let row = #"{"layer":1,"topk_ids":[1,0],"topk_weights":[0.5,0.5]}"#
    #expect(
      message([array, lines(#"{"layer":1,"topk_ids":[1],"topk_weights":[1]}"#)])
        == "b.jsonl: top_k: expected 2 as in a.npy, found 1; try files of one model")
    #expect(
      message([array, lines(#"{"type":"meta","num_experts":8}"# + "\n" + row)])
        == "a.npy: topk_ids: expected experts in 0..<8 as in b.jsonl, found 10; try files of one model")
    #expect(
      message([
        lines(#"{"type":"meta","num_experts":8}"# + "\n" + row),
        lines(#"{"type":"meta","num_experts":9}"# + "\n" + row),
      ]) == "b.jsonl: num_experts: expected 8 as in b.jsonl, found 9; try files of one model")
  }

  @Test func otherFormatsAreNamed() throws {
    let folder = NSTemporaryDirectory() + "/occult-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for (bytes, found) in [
      (
        [0x1F, 0x8B, 8],
        "expected JSON lines or a .npy array, found gzip data; try unpacking it: gunzip --keep '\(folder)/f'"
      ),
      (
        Array("PK\u{3}\u{4}".utf8),
        "expected JSON lines or a .npy array, found a zip archive (.npz is one); try numpy.save for each of its arrays, "
          + "one a file"
      ),
      ([], "expected lines with layer, topk_ids and topk_weights, found none"),
    ] as [([UInt8], String)] {
      try Data(bytes).write(to: URL(fileURLWithPath: folder + "/f"))
      do throws(RecordedRoutingError) {
        _ = try RecordedRouting(path: folder + "/f")
        Issue.record("no error")
      } catch { #expect(error.description == "\(folder)/f: " + found) }
    }
  }

  @Test func loadsAloneAreAProfileWithoutSets() throws {
    let shares = try RecordedLoads.profile(path: oracle("expert_shares.npy"), topK: 1, experts: nil, layers: [3, 9])
    #expect(shares.layers.map(\.layer) == [3, 9] && shares.experts == 3)
    #expect(shares.layers[0].load == [500_000, 250_000, 250_000] && shares.layers[0].recorded == 0)
    #expect(throws: PlacementError.noRecordedSets(layer: 3)) {
      _ = try PlacementMethod.refined.place(shares.layers[0], devices: 3)
    }
    #expect(throws: RecordedRoutingError.noSets(file: "p.h5", layer: 3)) {
      _ = try RecordedRouting([.init(file: "p.h5", contents: .profile(shares))])
    }
    let path = NSTemporaryDirectory() + "/occult-tests-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: path) }
    func read(_ text: String, experts: Int? = nil, layers: [Int]? = nil) throws -> CollaborationProfile {
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))
      return try RecordedLoads.profile(path: path, topK: 2, experts: experts, layers: layers)
    }
    #expect(try read(#"[{"3":4,"0":2,"1":2}]"#, experts: 5).layers[0].load == [2, 2, 0, 4, 0])
    #expect(try read("[[2, 2, 4]]").layers[0].tokens == 4)
    for (text, experts, layers, found) in [
      (#"[{"3":6}]"#, 2, nil, "entry 0: expected experts in 0..<2, found 3; try a file of this model"),
      (
        "[[1, -2]]", nil, nil,
        "entry 0: expected counts or shares of 0 to 1099511627776, found -2.0; try a file of this model"
      ),
      (
        "[[1e18, 1e18]]", nil, nil,
        "entry 0: expected counts or shares of 0 to 1099511627776, found 1e+18; try a file of this model"
      ),
      (
        "[[6, 2]]", nil, nil,
        "entry 0: expected no expert with more than 1/2 of all, as a token uses 2 different ones, found 6.0 of 8.0; "
          + "try a file of this model"
      ),
      ("[[1, 1]]", nil, [5000], "layers: expected numbers in 0..<4096, found 5000; try a file of this model"),
      ("[[0, 0]]", nil, nil, "entry 0: expected an expert that was used, found none; try a file of this model"),
      (
        "[[1, 2]]", nil, [0, 1],
        "layers: expected 1 different numbers, as many as the file has layers, found [0, 1]; try a file of this model"
      ),
      (#"[{"a":6}]"#, nil, nil, "entry 0: expected experts as keys, found 'a'; try counts by number of the expert"),
      (
        "{}", nil, nil,
        "loads: expected a list with a map from expert to count for each layer, found JSON of another form; "
          + "try '--routing' for a recording token by token"
      ),
    ] as [(String, Int?, [Int]?, String)] {
      do {
        _ = try read(text, experts: experts, layers: layers)
        Issue.record("no error")
      } catch { #expect("\(error)" == "\(path): " + found) }
    }
  }
}
