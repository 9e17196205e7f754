import Formats
import Testing

@testable import Placements

/// Maps for serving engines are read as they are written, and nothing in them is passed over.
@Suite struct ExportedMapTests {
  private func read(_ text: String) throws -> ExportedMap {
    var parser = JSONParser(Array(text.utf8))
    return try ExportedMap(try parser.document(), file: "map.json")
  }

  private static let layers = [[0, 2, 1, 3, 0, 1], [3, 1, 0, 2, 2, 3]]
  private static let eplb = """
    {"physical_to_logical_map": [[0, 2, 1, 3, 0, 1], [3, 1, 0, 2, 2, 3]],
     "logical_to_physical_map": [[[0, 4], [2, 5], [1, -1], [3, -1]], [[2, -1], [1, -1], [3, 4], [0, 5]]],
     "expert_count": [[2, 2, 1, 1], [1, 1, 2, 2]]}
    """
  private static let sglang = "{\"physical_to_logical_map\": [[0, 2, 1, 3, 0, 1], [3, 1, 0, 2, 2, 3]]}"
  private static let ascend = """
    {"moe_layer_count": 1, "layer_list": [{"layer_id": 0, "device_count": 2, "device_list":
     [{"device_id": 0, "device_expert": [0, 2]}, {"device_id": 1, "device_expert": [1, 3]}]}]}
    """

  @Test func everyForm() throws {
    let eplb = try read(Self.eplb)
    #expect(eplb.engine == .eplb && eplb.layers == Self.layers && eplb.experts == 4 && eplb.devices == nil)
    let sglang = try read(Self.sglang)
    #expect(sglang.engine == .sglang && sglang.layers == Self.layers)
    let ascend = try read(Self.ascend)
    #expect(ascend.engine == .vllmAscend && ascend.layers == [[0, 2, 1, 3]] && ascend.devices == 2)
  }

  @Test(
    arguments: [
      (
        sglang.replacing("]]}", with: "]], \"zeta\": 1}"),
        "zeta: expected physical_to_logical_map alone, found this key"
      ),
      (sglang.replacing(", 3]]", with: "]]"), "layer 1: expected 6 slots as in layer 0, found 5"),
      (
        sglang.replacing("[3, 1, 0, 2, 2, 3]", with: "[3, 1, 2, 2, 2, 3]"),
        "layer 1: expected a slot for each of 4 experts, found none for expert 0"
      ),
      (
        sglang.replacing("[0, 2,", with: "[-1, 2,"),
        "physical_to_logical_map[0]: expected experts in 0..<65536, found something else"
      ),
      (
        eplb.replacing("[2, 2, 1, 1]", with: "[2, 2, 1, 2]"),
        "expert_count[0]: expected the slots of each expert in physical_to_logical_map, found others"
      ),
      (
        ascend.replacing("\"device_id\": 1,", with: "\"device_id\": 1, \"zeta\": 0,"),
        "layer_list[0].device_list[1].zeta: expected device_expert, device_id alone, found this key"
      ),
      (
        ascend.replacing("\"device_count\": 2", with: "\"device_count\": 3"),
        "layer_list[0]: expected layer 0 with 2 devices, found another number of either"
      ),
      (
        ascend.replacing("\"moe_layer_count\": 1", with: "\"moe_layer_count\": 2"),
        "moe_layer_count: expected the 1 layers of layer_list, at least one, found another number"
      ),
    ])
  func errorsAreThisText(text: String, message: String) throws {
    let error = #expect(throws: PlacementError.self) { try read(text) }
    #expect(error?.description == "map.json: " + message)
  }
}
