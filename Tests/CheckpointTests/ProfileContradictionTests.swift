import Files
import Formats
import Profiles
import Routing
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

/// Tables of a profile that contradict each other, each by itself well-formed.
@Suite struct ProfileContradictionTests {
  /// Three tokens of two experts each: {0, 1}, {0, 2}, {1, 2}.
  private struct Tables {
    var tokens = 3
    var rootTokens = 3
    var load: [Int64] = [2, 2, 2]
    var coactivation: [Int64] = [0, 1, 1, 1, 0, 1, 1, 1, 0]
    var sets: [Int32] = [0, 1, 0, 2, 1, 2]
    var documents: [Int32] = [0, 0, 1]
    var similarity: [Float]?

    func write(to path: String) throws {
      let file = try HDF5Writer(creating: path)
      let n = documents.count
      try file.write("layers/0/coactivation", [3, 3], .int64, coactivation)
      try file.write("layers/0/load", [3], .int64, load)
      try file.write("layers/0/sets", [n, 2], .int32, sets)
      try file.write("layers/0/documents", [n], .int32, documents)
      if let similarity { try file.write("layers/0/output_similarity", [3, 3], .float32, similarity) }
      try file.setAttribute("tokens", .integer(tokens), of: "layers/0")
      for (name, value) in [("version", 1), ("experts", 3), ("top_k", 2), ("tokens", rootTokens)] {
        try file.setAttribute(name, .integer(value))
      }
      try file.setAttribute("format", .string("occult-profile"))
      try file.setAttribute("data", .string("made"))
      try file.commit()
    }
  }

  @Test func soundTablesAreRead() throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("profile.h5")
    var tables = Tables()
    try tables.write(to: path)
    #expect(try ProfileFile.read(path).tokens == 3)
    // Fewer recorded than counted.
    (tables.tokens, tables.rootTokens, tables.load) = (4, 4, [3, 3, 2])
    tables.coactivation = [0, 2, 1, 2, 0, 1, 1, 1, 0]
    try tables.write(to: path)
    #expect(try ProfileFile.read(path).layers[0].recorded == 3)
    // Loads alone, with a rest.
    tables = Tables(
      tokens: 3, rootTokens: 3, load: [3, 2, 2], coactivation: [Int64](repeating: 0, count: 9), sets: [], documents: [])
    try tables.write(to: path)
    #expect(try ProfileFile.read(path).layers[0].recorded == 0)
  }

  @Test func contradictionsAreNamed() throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("profile.h5")
    func expect(_ message: String, _ change: (inout Tables) -> Void) throws {
      var tables = Tables()
      change(&tables)
      try tables.write(to: path)
      let text = failure { _ = try ProfileFile.read(path) }?.description
      #expect(text == "\(path) \(message); try writing or fetching the file again")
    }
    try expect(
      "/layers/0/coactivation: expected from 0 to 2, the lesser load, found 4611686018427387904 for experts 0 and 1"
    ) { $0.coactivation[1] = 1 << 62 }
    try expect("/layers/0/coactivation: expected 2, as for experts 1 and 0, found 1 for experts 0 and 1") {
      $0.coactivation[3] = 2
    }
    try expect("/layers/0/coactivation: expected 0 for an expert and itself, found 1 for experts 1 and 1") {
      $0.coactivation[4] = 1
    }
    try expect(
      "/layers/0/coactivation: expected 1 others for each of the 2 tokens of expert 0, 2 in all, found 3"
    ) {
      $0.coactivation = [0, 2, 1, 2, 0, 1, 1, 1, 0]
    }
    try expect("/layers/0/load: expected 2 experts for each of 3 tokens, 6 in all, found 7") { $0.load[0] = 3 }
    try expect("/layers/0/tokens: expected 1...1099511627776, at least the 3 recorded ones, found 2") {
      ($0.tokens, $0.rootTokens) = (2, 2)
    }
    try expect(
      "/layers/0/tokens: expected 1...1099511627776, at least the 3 recorded ones, found 9223372036854775807"
    ) {
      ($0.tokens, $0.rootTokens) = (.max, .max)
    }
    try expect("/ attribute tokens: expected 3, the most of any layer, found 4") { $0.rootTokens = 4 }
    try expect("/layers/0/documents: expected numbers of 0 or more, found -1 in row 2") { $0.documents[2] = -1 }
    try expect("/layers/0/sets: expected 2 at element 0 of load, found 3 when the recorded sets are counted") {
      $0.sets = [0, 1, 0, 2, 0, 2]
    }
    try expect("/layers/0/output_similarity: expected numbers from -1 to 1, found 1.5 at element 2") {
      $0.similarity = [1, 0, 1.5, 0, 1, 0, 1.5, 0, 1]
    }
  }

  /// What was made here keeps the rules, whatever was recorded of it.
  @Test func accumulatedTablesAgree() throws {
    var generator = SplitMix64(seed: 5)
    var accumulator = ProfileAccumulator(experts: 8, topK: 3, recordedLimit: 50)
    for _ in 0..<20 {
      let sets = (0..<10).flatMap { _ -> [Int32] in
        let first = generator.below(8)
        return [Int32(first), Int32((first + 1 + generator.below(3)) % 8), Int32((first + 4 + generator.below(3)) % 8)]
      }
      accumulator.add(layer: 0, topK: sets, weights: [], documents: [Int32](repeating: 0, count: 10))
    }
    for layer in accumulator.profile(modelType: nil, data: "made").layers { try layer.check() }
  }
}
