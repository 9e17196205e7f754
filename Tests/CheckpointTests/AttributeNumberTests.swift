import Files
import CHDF5
import Placements
import Routing
import Foundation
import Models
import Tensors
import TestSupport
import Testing

@testable import Checkpoint

/// Every number that a checkpoint and a profile hold as an attribute, made extreme: an error in words, or a model.
@Suite struct AttributeNumberTests {
  private static let integers = [Int.min, -1, 0, 1, 1 << 31 - 1, 1 << 31, 1 << 40, 1 << 62, .max]
  private static let reals = [-1, -0.0, 0, 1, 1e18, 1e308, .infinity, -.infinity, .nan]

  /// A number as it is written in a file.
  private struct Numbers {
    let object: String
    let name: String
    let count: Int
    let isReal: Bool
  }

  private static func numbers(_ path: String) throws -> [Numbers] {
    let file = try HDF5Reader(path)
    var found: [Numbers] = []
    for object in ["/"] + (try file.groups()) + (try file.datasets()) {
      for (name, value) in try file.attributes(of: object) {
        switch value {
        case .integer: found.append(.init(object: object, name: name, count: 1, isReal: false))
        case .integers(let values): found.append(.init(object: object, name: name, count: values.count, isReal: false))
        case .real: found.append(.init(object: object, name: name, count: 1, isReal: true))
        case .reals(let values): found.append(.init(object: object, name: name, count: values.count, isReal: true))
        default: break
        }
      }
    }
    return found
  }

  private static func write<T: BitwiseCopyable>(_ value: T, _ numbers: Numbers, _ path: String) throws {
    let status = HDF5Library.locked {
      let file = H5Fopen(path, 1, chdf5_p_default())
      defer { H5Fclose(file) }
      let object = H5Oopen(file, numbers.object, chdf5_p_default())
      defer { H5Oclose(object) }
      let attribute = H5Aopen(object, numbers.name, chdf5_p_default())
      defer { H5Aclose(attribute) }
      let values = [T](repeating: value, count: numbers.count)
      return H5Awrite(attribute, numbers.isReal ? chdf5_t_f64() : chdf5_t_i64(), values)
    }
    try #require(status >= 0, "\(numbers): \(value)")
  }

  /// Reads the file with each of its numbers made extreme.
  private static func tryAll(_ path: String, _ read: (String) throws -> Void) throws {
    var count = 0
    try read(path)
    for number in try numbers(path) {
      for index in 0..<9 {
        // A file each: the library knows files by their inodes, which come again once a file is removed.
        let copy = path + ".\(count)"
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        if number.isReal { try write(reals[index], number, copy) } else { try write(integers[index], number, copy) }
        count += 1
        do {
          try read(copy)
        } catch {
          #expect("\(error)".contains("expected"), "\(number): \(error)")
        }
      }
    }
    #expect(count > 30)
  }

  @Test func ofACheckpoint() throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("model.h5")
    var model = ModelFamily.random(
      try OLMoE.configuration(
        layers: 2, hidden: 8, heads: 2, experts: 4, intermediate: 4, topK: 2, vocabulary: 16, context: 8), seed: 1)
    let adapters = AdapterSettings(roles: [.attention: .init(rank: 2, alpha: 4)])
    model.attach(adapters, seed: 1) { _ in nil }
    var extras = CheckpointExtras(configuration: model.configuration)
    extras.adapters = adapters
    let layers = (0..<2).map { Placement.Layer(layer: $0, expertDevice: [0, 1, 0, 1]) }
    var options = PolicyOptions(epsilon: 0.1)
    (options.similarityThreshold, options.partners) = (0.2, 3)
    let settings = RoutingSettings(
      placement: try Placement(modelType: "olmoe", experts: 4, devices: 2, layers: layers), policy: .mass,
      deviceLimit: 2, options: options, seed: 3)
    extras.routing = try settings.limited(toLayers: [1, 2])
    extras.training = TrainingState(step: 3, tokens: 40, batchOrder: "x", moments: [:])
    extras.training?.best = .init(step: 2, loss: 1.5, stale: 1)
    try CheckpointWriter.write(path, weights: ModelBytes(model), extras: extras, program: "test")
    try Self.tryAll(path) { path in
      let files = try ModelFiles(opening: path)
      var model = try files.model()
      if let routing = files.routing { try model.apply(routing) }
      _ = try TrainingState(readingFrom: path)
      _ = try Inspection(path)
    }
  }

  @Test func ofAProfile() throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("profile.h5")
    try ProfileFile.write(ProfileFileTests.profile(), to: path, program: "test")
    try Self.tryAll(path) { path in
      let profile = try ProfileFile.read(path)
      _ = try Placement(profile, devices: 2, method: .refined, options: PlacementOptions(proposals: 10))
    }
  }
}
