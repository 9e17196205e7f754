import Placements
import Foundation
import Testing

@testable import Training

@Suite struct PlanFileTests {
  static let root =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path + "/recipes/topologies/"

  static let machine = """
    version: 1
    name: two nodes
    devices_per_node: 4
    inside: {latency: 1.0e-5, bandwidth: 2.0e10}
    between: {latency: 3.0e-5, per_peer: 1.0e-6, bandwidth: 3.0e9, shared: true}
    exchange: hierarchical
    overlap: 0.5
    flops: 1.0e14
    """

  static let points = """
    version: 1
    name: ours
    devices: 4
    points: [{copies: 2, seconds: 4}, {copies: 1, seconds: 3}]
    check: [{copies: 3, seconds: 5}]
    """

  /// Every file beside the topologies is one, or measured points; each says where its numbers are from.
  @Test func filesOfTheRepository() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.root).filter { $0.hasSuffix(".yaml") }.sorted()
    #expect(names == ["ethernet.yaml", "nvlink-infiniband.yaml", "occult-paper-points.yaml", "pcie.yaml"])
    for name in names {
      if name.hasSuffix("points.yaml") {
        let measured = try MeasuredPoints.load(Self.root + name)
        let fit = try MeasuredTime(measured.points)
        #expect(measured.points.map(\.copies) == [3.68, 1.98] && measured.check.map(\.copies) == [3.02, 1])
        for check in fit.check(measured.check) { #expect(abs(check.error) <= 0.10) }
      } else {
        let machine = try Topology.load(Self.root + name)
        #expect(machine.devicesPerNode > 1 && (machine.between == nil) == (name == "pcie.yaml"))
      }
    }
  }

  @Test func aTopologyHoldsWhatIsWritten() throws {
    let machine = try Topology.parse(Self.machine, file: "t.yaml")
    #expect(machine.name == "two nodes" && machine.devicesPerNode == 4 && machine.exchange == .hierarchical)
    #expect(machine.inside == .init(latency: 1e-5, bandwidth: 2e10))
    #expect(machine.between == .init(latency: 3e-5, perPeer: 1e-6, bandwidth: 3e9, shared: true))
    #expect(machine.overlap == 0.5 && machine.flops == 1e14)
    let single = Self.machine.replacing(/between:.*/, with: "between: none")
    #expect(try Topology.parse(single, file: "t.yaml").between == nil)
  }

  @Test(arguments: [
    ("bandwidth: 2.0e10", "bandwidth: 0", "t.yaml:4:38: inside.bandwidth: expected a number above 0, found '0'"),
    ("latency: 1.0e-5", "latency: -1", "t.yaml:4:19: inside.latency: expected a number of at least 0, found '-1'"),
    ("latency: 1.0e-5", "latency: .nan", "t.yaml:4:19: inside.latency: expected a number of at least 0, found '.nan'"),
    (", bandwidth: 2.0e10", "", "t.yaml:4:9: inside.bandwidth: expected a number above 0, found no such key"),
    (
      "per_peer", "per_pear",
      "t.yaml:5:28: between.per_pear: unknown key; did you mean 'between.per_peer'?"
    ),
    ("hierarchical", "twice", "t.yaml:6:11: exchange: expected direct or hierarchical, found 'twice'"),
    ("overlap: 0.5", "overlap: 1.5", "t.yaml:7:10: overlap: expected a number from 0 to 1, found '1.5'"),
    ("flops: 1.0e14", "flop: 1.0e14", "t.yaml:1:1: flops: expected a number above 0, found no such key"),
    (
      "devices_per_node: 4", "devices_per_node: 0",
      "t.yaml:3:19: devices_per_node: expected an integer in 1...1024, found '0'"
    ),
    ("version: 1", "version: 2", "t.yaml:1:10: version: expected an integer in 1...1, found '2'"),
    ("shared: true", "shared: maybe", "t.yaml:5:72: between.shared: expected true or false, found 'maybe'"),
  ])
  func topologyErrorsAreThisText(from: String, to: String, message: String) {
    let text = Self.machine.replacingOccurrences(of: from, with: to)
    let error = #expect(throws: RecipeError.self) { _ = try Topology.parse(text, file: "t.yaml") }
    #expect(error?.issues.first?.description == message)
  }

  @Test(arguments: [
    (
      "points: [{copies: 2, seconds: 4}, {copies: 1, seconds: 3}]", "points: [{copies: 2, seconds: 4}]",
      "p.yaml:4:9: points: expected at least two points {copies: …, seconds: …}, found 1"
    ),
    ("seconds: 4", "seconds: 0", "p.yaml:4:31: points[0].seconds: expected a number above 0, found '0'"),
    ("copies: 2", "copy: 2", "p.yaml:4:10: points[0].copies: expected a number above 0, found no such key"),
    ("devices: 4\n", "", "p.yaml:1:1: devices: expected the number of devices of the measurement, found no such key"),
    (
      "check: [{copies: 3, seconds: 5}]", "check: 3",
      "p.yaml:5:8: check: expected a list of {copies: …, seconds: …}, found '3'"
    ),
  ])
  func pointErrorsAreThisText(from: String, to: String, message: String) {
    let error = #expect(throws: RecipeError.self) {
      _ = try MeasuredPoints.parse(Self.points.replacingOccurrences(of: from, with: to), file: "p.yaml")
    }
    #expect(error?.issues.first?.description == message)
  }

  @Test func anAbsentFileIsNamed() {
    let error = #expect(throws: RecipeError.self) { _ = try Topology.load("nowhere.yaml") }
    #expect(
      error?.description
        == "nowhere.yaml: expected a topology in UTF-8, found no such file; try recipes/topologies/pcie.yaml")
  }
}
