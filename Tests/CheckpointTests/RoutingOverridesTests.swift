import Files
import Placements
import Routing
import Foundation
import Models
import TestSupport
import Testing

@testable import Checkpoint

@Suite struct RoutingOverridesTests {
  let configuration: ModelConfiguration
  let stored: RoutingSettings

  init() throws {
    configuration = try ModelFiles(opening: oracleFolder("olmoe-tiny")).configuration
    let reversed = Array(PlacementMethod.contiguous(experts: 8, devices: 4).reversed())
    stored = RoutingSettings(
      placement: try Placement(
        modelType: "olmoe", experts: 8, devices: 4, layers: (0..<2).map { .init(layer: $0, expertDevice: reversed) }),
      policy: .mass, deviceLimit: 2)
  }

  /// The stored settings under another limit.
  func limited(_ limit: Int?) -> RoutingSettings {
    var settings = stored
    settings.deviceLimit = limit
    return settings
  }

  @Test func whatIsNotSaidStays() throws {
    #expect(try RoutingOverrides().settings(over: stored, configuration) == stored)
    #expect(try RoutingOverrides().settings(over: nil, configuration) == nil)
    #expect(try RoutingOverrides(devices: 4).settings(over: stored, configuration) == stored)
    let lifted = try RoutingOverrides(deviceLimit: .some(.none)).settings(over: stored, configuration)
    #expect(lifted == limited(nil))
    let tighter = try RoutingOverrides(deviceLimit: .devices(1)).settings(over: stored, configuration)
    #expect(tighter == limited(1))
  }

  @Test func aLimitAloneMeansRouter() throws {
    let settings = try RoutingOverrides(devices: 2, deviceLimit: .devices(1)).settings(over: nil, configuration)
    #expect(settings?.policy == .router && settings?.deviceLimit == 1)
    #expect(try settings?.placement.expertDevice(layer: 1) == [0, 0, 0, 0, 1, 1, 1, 1])
  }

  @Test func contradictionsAreNamed() throws {
    let scratch = try TemporaryFolder()
    try TextFile.write(stored.placement.json, to: scratch.path("p.json"))
    let file = scratch.path("p.json")
    let cases: [(RoutingOverrides, String)] = [
      (
        RoutingOverrides(deviceLimit: .devices(2)),
        "--device-limit 2: expected devices that experts are placed on, found none; try --devices 4, or --placement FILE"
      ),
      (
        RoutingOverrides(devices: 2, placement: file),
        "\(file): expected 2 devices as --devices says, found 4; try without --devices"
      ),
      (RoutingOverrides(devices: 3), "--devices: devices: expected a divisor of 8 experts, found 3"),
      (RoutingOverrides(devices: 9), "--devices: devices: expected 1...8 for 8 experts, found 9"),
    ]
    for (overrides, text) in cases {
      do {
        _ = try overrides.settings(over: nil, configuration)
        Issue.record("expected: \(text)")
      } catch {
        #expect("\(error)" == text)
      }
    }
  }
}
