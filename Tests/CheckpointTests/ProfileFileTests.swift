import Files
import Profiles
import Routing
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

@Suite struct ProfileFileTests {
  static func profile() -> CollaborationProfile {
    var accumulator = ProfileAccumulator(experts: 6, topK: 2)
    for layer in [1, 3] {
      accumulator.add(
        layer: layer, topK: [0, 5, 4, 2, 2, 3], weights: [0.5, 0.25, 0.75, 0.125, 0.5, 0.5],
        logits: layer == 1 ? (0..<18).map { Float($0 % 7) } : nil, documents: [0, 0, 4])
    }
    return accumulator.profile(
      modelType: "olmoe", data: "a.txt, b.txt",
      outputSimilarity: [1: (0..<36).map { $0 % 7 == 0 ? 1 : Float($0) / 64 }])
  }

  @Test func comesBackAsItWas() throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("profile.h5")
    try ProfileFile.write(Self.profile(), to: path, program: "test 1")
    #expect(try ProfileFile.read(path) == Self.profile())
    let file = try HDF5Reader(path)
    #expect(
      try file.datasets().filter { $0.hasPrefix("/layers/1/") }
        == [
          "coactivation", "documents", "load", "logit_similarity", "logit_similarity_centered", "output_similarity",
          "sets", "weights",
        ].map { "/layers/1/" + $0 })
    #expect(try file.info("layers/1/coactivation").type == .element(.int64))
    #expect(try file.info("layers/1/sets").type == .element(.int32))
    #expect(try file.attribute("experts") == .integer(6) && file.attribute("tokens") == .integer(3))
    #expect(try file.contains("layers/3/logit_similarity") == false)
  }

  @Test func saysWhatIsWrong() throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("profile.h5")
    func write(
      _ sets: [Int32], load: [Int64] = [1, 1, 0], weight: Float = 0.5, version: Int = 1,
      format: String = "occult-profile"
    ) throws {
      let file = try HDF5Writer(creating: path)
      try file.write("layers/0/coactivation", [3, 3], .int64, [0, 1, 0, 1, 0, 0, 0, 0, 0] as [Int64])
      try file.write("layers/0/load", [load.count], .int64, load)
      try file.write("layers/0/sets", [1, 2], .int32, sets)
      try file.write("layers/0/weights", [1, 2], .float32, [Float](repeating: weight, count: 2))
      try file.write("layers/0/documents", [1], .int32, [Int32(0)])
      try file.setAttribute("tokens", .integer(1), of: "layers/0")
      for (name, value) in [("version", version), ("experts", 3), ("top_k", 2), ("tokens", 1)] {
        try file.setAttribute(name, .integer(value))
      }
      try file.setAttribute("format", .string(format))
      try file.setAttribute("data", .string("x"))
      try file.commit()
    }
    try write([0, 1])
    #expect(try ProfileFile.read(path).layers[0].sets == [0, 1])
    let cases: [(() throws -> Void, String)] = [
      (
        { try write([1, 0]) },
        "\(path) /layers/0/sets: expected 2 different experts of 3 in ascending order, "
          + "found [1, 0] in row 0; try writing or fetching the file again"
      ),
      (
        { try write([1, 3]) },
        "\(path) /layers/0/sets: expected 2 different experts of 3 in ascending order, "
          + "found [1, 3] in row 0; try writing or fetching the file again"
      ),
      (
        { try write([0, 1], load: [1, 1]) },
        "\(path) /layers/0/load: expected shape [3], found [2]; "
          + "try the file that belongs to this model"
      ),
      (
        { try write([0, 1], load: [1, -1, 0]) },
        "\(path) /layers/0/load: expected counts of 0 or more, "
          + "found -1 at element 1; try writing or fetching the file again"
      ),
      (
        { try write([0, 1], load: [1, 2, 0]) },
        "\(path) /layers/0/load: expected at most the layer's 1 tokens an expert, found 2 for expert 1; "
          + "try writing or fetching the file again"
      ),
      (
        { try write([0, 1], weight: .nan) },
        "\(path) /layers/0/weights: expected finite numbers, found nan at element 0; "
          + "try writing or fetching the file again"
      ),
      (
        { try write([0, 1], version: 2) },
        "\(path) version: expected version 1, found version 2; "
          + "try writing it in another way"
      ),
      (
        { try write([0, 1], format: "occult") },
        "\(path): expected a profile (root attribute format = "
          + "'occult-profile'), found an HDF5 file of another kind; try another file, or fetching this one again"
      ),
    ]
    for (prepare, text) in cases {
      try prepare()
      #expect(failure { _ = try ProfileFile.read(path) }?.description == text)
    }
  }
}
