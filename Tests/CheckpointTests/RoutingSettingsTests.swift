import Files
import Formats
import Placements
import Profiles
import Routing
import Foundation
import Models
import TestSupport
import Testing

@testable import Checkpoint

/// What a checkpoint and a folder's configuration keep of a routing.
@Suite struct RoutingSettingsTests {
  private static func settings(_ policy: RoutingPolicy, limits: [Int]? = nil) throws -> RoutingSettings {
    let placement = try Placement(
      modelType: "olmoe", experts: 8, devices: 4,
      layers: (0..<2).map { .init(layer: $0, expertDevice: [3, 2, 1, 0, 0, 1, 2, 3]) })
    var tables: [Int: PolicyTables] = [:]
    let neighbours: [Int32] = [1, 3, 2, 4, 3, 5, 4, 6, 5, 7, 6, 0, 7, 1, 0, 2]
    for layer in 0..<2 where policy.needsTables {
      let similarity: [Float] = (0..<64).map { Float($0) / 64.3 + Float(layer) }
      tables[layer] = PolicyTables(similarity: similarity, partners: neighbours, keptExperts: [1, 1.3, 1.7, 2])
    }
    let settings = RoutingSettings(
      placement: placement, policy: policy, deviceLimit: 2, weightSource: .inherited, renormalization: .originalMass,
      options: PolicyOptions(
        epsilon: 0.2, similarity: .centered, similarityThreshold: 0.123, groupScore: .topNSum, partners: 2),
      tables: tables, seed: .max)
    return try limits.map { try settings.limited(toLayers: $0) } ?? settings
  }

  @Test(arguments: RoutingPolicy.allCases, [nil, [1, 3], [2, 2]])
  func nothingIsLost(policy: RoutingPolicy, limits: [Int]?) throws {
    let settings = try Self.settings(policy, limits: limits)
    #expect(settings.layerLimits == (limits == [1, 3] ? limits : nil) && settings.deviceLimit == limits?.max() ?? 2)
    let files = try ModelFiles(opening: oracleFolder("olmoe-tiny"))
    let scratch = try TemporaryFolder()
    var extras = CheckpointExtras(files)
    extras.routing = settings
    try CheckpointWriter.write(scratch.path("m.h5"), weights: files, extras: extras, program: "test")
    let read = try ModelFiles(opening: scratch.path("m.h5"))
    #expect(read.routing == settings)
    var model = try read.model()
    try model.apply(settings)
    let rule = try #require(model.layers[1].moe?.rule)
    #expect(rule.deviceLimit == limits?[1] ?? 2 && rule.tables == settings.tables[1] ?? PolicyTables())

    let section = try JSONValue.parse(settings.configurationJSON, file: "config.json", item: "occult")
    #expect(try RoutingSettings(section, files.configuration, file: "config.json") == settings)
  }

  @Test func aNewLimitReplacesAList() throws {
    let settings = try Self.settings(.router, limits: [1, 3])
    #expect(settings.limited(to: 2).layerLimits == nil && settings.limited(to: nil).deviceLimit == nil)
    let error = #expect(throws: RoutingError.self) { try settings.limited(toLayers: [1, 2, 3]) }
    #expect(error?.description == "device_limit: expected one limit, or one for each of 2 MoE layers, found 3")
  }

  /// Tables belong to one policy, numbers of experts to one placement; a profile makes them anew.
  @Test func tablesFollowTheOverrides() throws {
    let configuration = try ModelFiles(opening: oracleFolder("olmoe-tiny")).configuration
    let stored = try Self.settings(.fewerExperts)
    func settings(_ overrides: RoutingOverrides) throws -> RoutingSettings {
      try #require(try overrides.settings(over: stored, configuration))
    }
    #expect(try settings(RoutingOverrides(deviceLimit: .devices(1))).tables == stored.tables)
    #expect(try settings(RoutingOverrides(policy: .similarity)).tables.isEmpty)
    #expect(try settings(RoutingOverrides(devices: 2)).tables[0]?.keptExperts == nil)
    #expect(try settings(RoutingOverrides(deviceLimit: .layers([2, 1]))).layerLimits == [2, 1])

    let scratch = try TemporaryFolder()
    var accumulator = ProfileAccumulator(experts: 8, topK: 2)
    for layer in 0..<2 {
      accumulator.add(layer: layer, topK: [0, 1, 2, 3, 0, 4], weights: [1, 1, 1, 1, 1, 1], documents: [0, 0, 1])
    }
    let file = scratch.path("p.h5")
    let profile = accumulator.profile(modelType: "olmoe", data: "test")
    try ProfileFile.write(profile, to: file, program: "test")
    let made = try settings(RoutingOverrides(policy: .collaborationConstrained, profile: file))
    #expect(made.tables[1]?.partners == profile.layers[1].partners(2))
    let cases: [(RoutingOverrides, String)] = [
      (
        RoutingOverrides(policy: .outputSimilarity, profile: file),
        "policy output_similarity: layer 0: expected a profile with similarities of expert outputs, found none; "
          + "try 'occult profile' on the model and text, or policy router"
      ),
      (
        RoutingOverrides(deviceLimit: .layers([1, 1, 1])),
        "device_limit: expected one limit, or one for each of 2 MoE layers, found 3"
      ),
    ]
    for (overrides, text) in cases {
      let error = #expect(throws: RoutingError.self) { try overrides.settings(over: stored, configuration) }
      #expect(error?.description == text)
    }
    let other = CollaborationProfile(modelType: "olmoe", experts: 8, topK: 2, data: "", layers: [profile.layers[0]])
    let error = #expect(throws: RoutingError.self) { try stored.tabled(other) }
    #expect(
      error?.description
        == "profile: expected layer 1 with 8 experts, found no such layer; try a profile of this model")
  }
}
