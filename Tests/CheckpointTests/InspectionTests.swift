import Files
import Placements
import Routing
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

@Suite struct InspectionTests {
  @Test func tellsKindsApart() throws {
    let scratch = try TemporaryFolder()
    let checkpoint = scratch.path("model.h5")
    _ = try Conversion(source: oracleFolder("olmoe-tiny"), destination: checkpoint).run(program: "test 1")
    let inspection = try Inspection(checkpoint)
    #expect(inspection.kind == .checkpoint)
    #expect(inspection.facts.contains(.init(name: "experts", value: "8 of width 64, top 2 a token")))
    #expect(inspection.facts.contains(.init(name: "routing", value: "no placement, no limit")))
    #expect(inspection.facts.contains(.init(name: "created_by", value: "test 1")))
    #expect(inspection.roles.first { $0.name == "router" }?.elements == 2 * 8 * 64)
    #expect(inspection.types.map(\.name) == ["float32"])
    #expect(
      inspection.items.contains(
        .init(
          name: "/model/layers/0/mlp/experts/down_proj", shape: [8, 64, 64], type: "float32",
          layout: "chunked [1, 64, 64]", filters: ["fletcher32"])))

    #expect(try Inspection(oracleFolder("olmoe-tiny")).kind == .huggingFace)
    try ProfileFile.write(ProfileFileTests.profile(), to: scratch.path("profile.h5"), program: "test")
    let profile = try Inspection(scratch.path("profile.h5"))
    #expect(profile.kind == .profile)
    #expect(profile.facts.contains(.init(name: "recorded sets", value: "3")))
    let placement = try Placement(ProfileFileTests.profile(), devices: 2, method: .contiguous)
    try TextFile.write(placement.json, to: scratch.path("placement.json"))
    #expect(try Inspection(scratch.path("placement.json")).kind == .placement)
    #expect(throws: FileError.self) { try Inspection(scratch.path("nothing.h5")) }
  }

  @Test(
    arguments: [
      ("5GB", 5_000_000_000), ("500 MB", 500_000_000), ("1.5GiB", 1_610_612_736), ("100", 100), ("2kb", 2000),
      ("GB", nil),
      ("-1GB", nil), ("5 lightyears", nil), ("0MB", nil),
    ] as [(String, Int?)])
  func readsSizes(text: String, bytes: Int?) { #expect(ByteSize.bytes(text) == bytes) }

  @Test(arguments: [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (19_412_345, "19.4 MB"), (999_600, "1.0 MB")])
  func writesSizes(bytes: Int, text: String) { #expect(ByteSize.words(bytes) == text) }
}
