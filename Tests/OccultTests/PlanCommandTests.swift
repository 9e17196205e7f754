import Foundation
import Testing

/// From recorded routing to a placement on nodes, its exports and a plan, as a user runs them.
@Suite struct PlanCommandTests {
  static let root = CommandLineTests.root

  private static func object(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  @Test func placesOnNodesExportsAndPlans() throws {
    let folder = NSTemporaryDirectory() + "/occult-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func run(_ arguments: String...) throws -> CommandLineTests.Result { try CommandLineTests.run(arguments) }
    // 300 tokens of two layers: three of eight neighbours in a ring of 16 experts, by falling weight.
    let lines = (0..<300).flatMap { token in
      (0..<2).map { layer in
        let ids = [0, 1, 5].map { (token * 3 + $0 * (layer + 1)) % 16 }
        return "{\"layer\": \(layer), \"topk_ids\": \(ids), \"topk_weights\": [0.5, 0.3, 0.1]}"
      }
    }
    try lines.joined(separator: "\n").write(toFile: folder + "/r.jsonl", atomically: true, encoding: .utf8)
    let profile = folder + "/p.h5"
    #expect(try run("profile", "--routing", folder + "/r.jsonl", "--experts", "16", "--output", profile).status == 0)

    let placed = try run(
      "place", profile, "--devices", "4", "--nodes", "2", "--replicas", "1", "--proposals", "2000", "--output",
      folder + "/placement.json", "--export", "sglang", folder + "/map.json", "--layers", "3")
    #expect(placed.status == 0)
    #expect(placed.out.contains("\n2 nodes: ") && placed.out.contains("\n1 replica a device: "))
    let map = try Self.object(try String(contentsOfFile: folder + "/map.json", encoding: .utf8))
    let rows = try #require(map["physical_to_logical_map"] as? [[Int]])
    #expect(map.count == 1 && rows.map(\.count) == [20, 20, 20])
    for row in rows { #expect(Set(row) == Set(0..<16)) }
    let exported = try run("place", folder + "/placement.json", "--export", "vllm-ascend", folder + "/ascend.json")
    #expect(exported.status == 0)
    let ascend = try Self.object(try String(contentsOfFile: folder + "/ascend.json", encoding: .utf8))
    let layers = try #require(ascend["layer_list"] as? [[String: Any]])
    for (layer, row) in zip(layers, rows) {
      let devices = try #require(layer["device_list"] as? [[String: Any]])
      #expect(devices.flatMap { $0["device_expert"] as? [Int] ?? [] } == row)
    }

    // A model cannot follow replicas.
    try "1 2 3\n".write(toFile: folder + "/ids.txt", atomically: true, encoding: .utf8)
    let refused = try run(
      "trace", CommandLineTests.tiny, "--tokens", folder + "/ids.txt", "--placement", folder + "/placement.json",
      "--output",
      folder + "/t.h5")
    #expect(refused.status == 1)
    #expect(
      refused.error
        == "\(folder)/placement.json: expected a placement without replicas, found some; they are for planning "
        + "and export: try 'occult place' without --replicas\n")

    let machine = Self.root + "/recipes/topologies/ethernet.yaml"
    let sizes = ["--hidden", "64", "--intermediate", "32", "--proposals", "2000"]
    let planned = try CommandLineTests.run(
      ["plan", profile, "--topology", machine, "--json", "--devices", "8", "64"] + sizes)
    #expect(planned.status == 0)
    let plan = try Self.object(planned.out)
    let found = try #require(plan["rows"] as? [[String: Any]])
    // 8 devices: naive, deduplicated, placed, L = 2 and 4; 64 devices: 16 × 4, L = 4.
    #expect(
      found.map { $0["dispatch"] as? String } == ["naive", "deduplicated", "placed", "limited", "limited"] + [
        "naive", "deduplicated", "placed", "limited",
      ])
    let size = try #require(found.last?["size"] as? [String: Any])
    #expect(size["expert_parallel"] as? Int == 16 && size["data_parallel"] as? Int == 4 && size["nodes"] as? Int == 4)
    let table = try CommandLineTests.run(["plan", profile, "--topology", machine, "--devices", "8"] + sizes)
    #expect(table.status == 0 && table.out.contains("limited to 2") && !table.out.contains("limited to 1"))

    // A placement of 4 devices serves 4 expert-parallel devices, and no other number.
    #expect(try run("place", profile, "--devices", "4", "--output", folder + "/four.json").status == 0)
    let given = try CommandLineTests.run(
      ["plan", profile, "--topology", machine, "--placement", folder + "/four.json", "--devices", "16"] + sizes)
    #expect(given.status == 0 && given.out.contains("     16   4   4      1  naive"))
    let other = try CommandLineTests.run(
      [
        "plan", profile, "--topology", machine, "--placement", folder + "/four.json", "--expert-parallel", "8",
      ] + sizes)
    #expect(other.error == "\(folder)/four.json: expected 8 devices, found 4; try a placement made from this profile\n")
    let mismatch = try run("plan", profile, "--topology", machine, "--model", CommandLineTests.tiny)
    #expect(
      mismatch.error
        == "\(CommandLineTests.tiny): expected 16 experts, top 3 as in the profile, found 8 experts, top 2; "
        + "try the model that was profiled\n")
  }

  @Test func aFitPrintsItsChecks() throws {
    let points = Self.root + "/recipes/topologies/occult-paper-points.yaml"
    let result = try CommandLineTests.run(["plan", "--fit", points])
    #expect(result.status == 0)
    #expect(
      result.out == """
        OLMoE-1B-7B, 4 A6000 on PCIe (Luo et al. 2025): 4 devices, seconds = 1.405 + 3.947 · copies, from 2 points

        copies  measured  predicted  error
          3.02     12.53      13.32  +6.3%
          1.00      5.82       5.35  -8.0%

        Holds for the machine, model and batch that were measured, and for nothing else.

        """)
  }
}
