import Formats
import Checkpoint
import Placements
import Profiles
import Routing
import Foundation
import Text
import Training

/// A profile, then what `place` and `analyze` make of it.
struct ProfileReading: Reader {
  let fileName = "profile.h5"
  let corpus: [[UInt8]]
  let isWithoutNumbers = true
  /// Where the numbers of the tables are, for damage that the file's own checksums would not notice.
  private let tables: [[Range<Int>]]

  init() throws {
    let folder = try Samples.shared.get().folder
    var (files, tables): ([[UInt8]], [[Range<Int>]]) = ([], [])
    for hasLogits in [false, true] {
      var accumulator = ProfileAccumulator(experts: 4, topK: 2)
      for layer in [0, 2] {
        accumulator.add(
          layer: layer, topK: [0, 3, 1, 2, 2, 3, 0, 1], weights: [0.5, 0.25, 0.75, 0.125, 0.5, 0.5, 0.25, 0.5],
          logits: hasLogits ? (0..<16).map { Float($0 % 7) } : nil, documents: [0, 0, 1, 2])
      }
      let path = folder + "/profile-\(hasLogits).h5"
      try ProfileFile.write(accumulator.profile(modelType: "olmoe", data: "made"), to: path, program: "fuzz")
      files.append(try fixture(path, isAbsolute: true))
      let file = try HDF5Reader(path)
      tables.append(
        try file.datasets().compactMap { name in
          let info = try file.info(name)
          guard case .contiguous(let offset?) = info.storage else { return nil }
          return offset..<offset + info.byteCount
        })
    }
    (corpus, self.tables) = (files, tables)
  }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) {
    let own = corpus.firstIndex { $0.count == input.count }.map { tables[$0] } ?? []
    guard !own.isEmpty, random.below(4) > 0 else { return Mutations.bytes(&input, &random) }
    let table = own[random.below(own.count)]
    guard table.count >= 8, table.upperBound <= input.count else { return Mutations.bytes(&input, &random) }
    let place = table.lowerBound + random.below(table.count / 4) * 4
    let value = random.below(2) == 0 ? Mutations.number(&random) : random.below(8)
    for byte in 0..<min(random.below(2) == 0 ? 8 : 4, table.upperBound - place) {
      input[place + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte))
    }
  }

  func variants(of input: [UInt8], _ body: ([UInt8], String) throws -> Void) throws {
    let own = corpus.firstIndex(of: input).map { tables[$0] } ?? []
    for table in own {
      for place in stride(from: table.lowerBound, to: table.upperBound - 7, by: 8) {
        for value in [Int.min, -1, 0, 1, 1 << 31, 1 << 40, 1 << 62, Int.max] {
          var copy = input
          for byte in 0..<8 { copy[place + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte)) }
          try body(copy, "\(value) at byte \(place)")
        }
      }
    }
  }

  func read(_ path: String) throws {
    let profile = try ProfileFile.read(path)
    let options = PlacementOptions(seed: 1, proposals: 10)
    for method in PlacementMethod.allCases {
      _ = try Placement(profile, devices: 2, method: method, options: options)
    }
    _ = try? ProfileAnalysis(profile, AnalysisOptions(devices: 2, placement: options, nullDraws: 1))
  }
}

/// A placement, then what is made of it.
struct PlacementReading: Reader {
  let fileName = "placement.json"
  let corpus: [[UInt8]]

  init() throws {
    let layers = [0, 2].map { Placement.Layer(layer: $0, expertDevice: [0, 1, 1, 0]) }
    let plain = try Placement(modelType: "olmoe", experts: 4, devices: 2, layers: layers)
    let predicted = try ProfileReading.placement()
    corpus = [Array(plain.json.utf8), Array(predicted.json.utf8)]
  }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) { mutateText(&input, &random) }

  func read(_ path: String) throws {
    let placement = try Placement(path: path, replicas: true)
    for engine in PlacementExport.Engine.allCases {
      _ = try? PlacementExport(placement, for: engine.rawValue)
    }
    _ = try placement.expertDevice(layer: 0)
    for layer in placement.layers { _ = Placement.Permutation(layer.expertDevice) }
  }
}

extension ProfileReading {
  /// A placement with predictions, certificates, nodes and replicas.
  static func placement() throws -> Placement {
    var accumulator = ProfileAccumulator(experts: 4, topK: 2)
    accumulator.add(layer: 0, topK: [0, 3, 1, 2, 2, 3, 0, 1], weights: [], documents: [0, 0, 1, 2])
    var options = PlacementOptions(seed: 1, proposals: 10)
    options.certify = true
    return try Placement(
      accumulator.profile(modelType: nil, data: "made"), devices: 2, method: .refined, options: options,
      topology: TopologyOptions(nodes: 2, nodeCost: 2, replicas: 1))
  }
}

/// A YAML file of the planner: a topology, or measured points.
struct PlanReading: Reader {
  let fileName: String
  let corpus: [[UInt8]]
  private let isTopology: Bool

  init(topology: Bool) throws {
    isTopology = topology
    fileName = topology ? "topology.yaml" : "measured.yaml"
    corpus = [
      topology
        ? try fixture("../recipes/topologies/pcie.yaml")
        : Array(
          """
          name: made
          devices: 4
          points: [{copies: 1000, seconds: 0.001}, {copies: 2000, seconds: 0.0015}, {copies: 4000, seconds: 0.003}]
          check: [{copies: 3000, seconds: 0.002}]

          """.utf8)
    ]
  }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) { mutateText(&input, &random) }

  func read(_ path: String) throws {
    if isTopology { _ = try Topology.load(path) } else { _ = try MeasuredPoints.load(path) }
  }
}

/// A `tokenizer.model`, then a text there and back.
struct SentencePieceReading: Reader {
  let fileName = "tokenizer.model"
  let corpus: [[UInt8]]
  let isWithoutNumbers = true

  init() throws { corpus = [try fixture("TextTests/Oracles/families/tiny.model")] }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) { Mutations.bytes(&input, &random) }

  func variants(of input: [UInt8], _ body: ([UInt8], String) throws -> Void) throws {}

  func read(_ path: String) throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    let tokenizer = try Tokenizer(sentencePiece: data, source: path)
    _ = tokenizer.decode(tokenizer.encode("The quick brown fox, 12 über naïve\n\n 你好 🦊 can't"))
  }
}
