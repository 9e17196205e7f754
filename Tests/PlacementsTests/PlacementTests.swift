import Foundation
import TestSupport
import Testing

@testable import Placements
@testable import Profiles

@Suite struct PlacementTests {
  static let file = """
    {
      "format": "occult-placement",
      "version": 1,
      "model_type": "olmoe",
      "experts": 4,
      "devices": 2,
      "layers": [
        {"expert_device":[0,1,1,0],"layer":0,"predicted":{"devices_per_token":1.5,"imbalance":1.25,"intra_share":0.5,"remote_copies":0.75}},
        {"expert_device":[1,0,1,0],"layer":3}
      ]
    }

    """

  static func read(_ text: String) throws -> Placement { try Placement(json: Data(text.utf8), file: "p.json") }

  @Test func fileAndValueAreTheSame() throws {
    let placement = try Self.read(Self.file)
    #expect(placement.modelType == "olmoe" && placement.experts == 4 && placement.devices == 2)
    #expect(placement.layers.map(\.layer) == [0, 3])
    #expect(placement.layers[0].predicted?.remoteCopies == 0.75)
    #expect(try placement.expertDevice(layer: 3) == [1, 0, 1, 0])
    #expect(placement.json == Self.file)
    #expect(try JSONDecoder().decode(Placement.self, from: JSONEncoder().encode(placement)) == placement)
    #expect(throws: PlacementError.missingLayer(file: "placement", layer: 1, found: [0, 3])) {
      _ = try placement.expertDevice(layer: 1)
    }
  }

  @Test func furtherKeysAreAccepted() throws {
    let text = Self.file.replacingOccurrences(of: "\"devices\": 2,", with: "\"devices\": 2, \"racks\": [0, 0],")
    #expect(try Self.read(text) == Self.read(Self.file))
  }

  @Test(arguments: [
    (
      "\"occult-placement\"", "\"eplb\"",
      "p.json: format: expected \"occult-placement\", found \"eplb\"; try a file written by 'occult place'"
    ),
    ("\"version\": 1", "\"version\": 2", "p.json: version: expected 1, found 2; try a newer occult"),
    ("\"devices\": 2", "\"devices\": 3", "p.json: devices: expected a divisor of 4 experts, found 3"),
    ("\"devices\": 2", "\"devices\": 5", "p.json: devices: expected 1...4 for 4 experts, found 5"),
    ("\"layer\":3", "\"layer\":0", "p.json: layer 0: expected one entry, found two"),
    ("[1,0,1,0]", "[1,0,1]", "p.json: layer 3: expected a device for each of 4 experts, found 3 entries"),
    ("[1,0,1,0]", "[1,0,2,0]", "p.json: layer 3: expert 2: expected a device in 0..<2, found 2"),
    ("[1,0,1,0]", "[1,0,-1,0]", "p.json: layer 3: expert 2: expected a device in 0..<2, found -1"),
    ("[1,0,1,0]", "[1,0,0,0]", "p.json: layer 3: device 0: expected 2 experts, found 3"),
    (
      "[1,0,1,0]", "[1,0,\"x\",0]",
      "p.json: layers[1].expert_device[2]: expected an integer, found a value of another type"
    ),
    (
      "[1,0,1,0]", "[1,0,0.5,0]",
      "p.json: expected integers for experts, devices and layers, found a number that is a fraction or too large"
    ),
    ("\"experts\": 4,", "", "p.json: experts: expected a value, found no such key"),
    ("\"layer\":3", "\"Layer\":3", "p.json: layers[1].layer: expected a value, found no such key"),
    ("  ]\n}", "", "p.json: expected JSON, found something else, or a file cut short"),
  ])
  func errorsAreThisText(from: String, to: String, message: String) {
    do {
      _ = try Self.read(Self.file.replacingOccurrences(of: from, with: to))
      Issue.record("no error for \(to)")
    } catch { #expect("\(error)" == message) }
  }

  @Test func anAbsentFileIsNamed() {
    do throws(PlacementError) {
      _ = try Placement(path: "/nowhere/p.json")
      Issue.record("no error")
    } catch {
      #expect(
        error.description
          == "/nowhere/p.json: expected a readable file, found none; try 'occult place --output /nowhere/p.json'")
    }
  }

  @Test func slackIsAskedFor() throws {
    let text = Self.file.replacingOccurrences(of: "[1,0,1,0]", with: "[1,0,0,0]")
    let placement = try Placement(json: Data(text.utf8), file: "p.json", slack: true)
    #expect(placement.layers[1].expertDevice == [1, 0, 0, 0])
  }

  @Test func permutationGroupsByDeviceStably() {
    let permutation = Placement.Permutation([1, 0, 2, 1, 0, 2])
    #expect(permutation.order == [1, 4, 0, 3, 2, 5])
    #expect(permutation.inverse == [2, 0, 4, 3, 1, 5])
    let placement = PlacementMethod.random(experts: 32, devices: 4, seed: 1, layer: 0)
    let random = Placement.Permutation(placement)
    #expect(random.order.map { placement[$0] } == PlacementMethod.contiguous(experts: 32, devices: 4))
    #expect((0..<32).allSatisfy { random.order[random.inverse[$0]] == $0 })
  }

  @Test func aProfileBecomesAFile() throws {
    let layers = [2, 7].map { clusteredProfile(tokens: 200, experts: 16, topK: 4, groups: 4, seed: 3, layer: $0) }
    let profile = CollaborationProfile(modelType: "olmoe", experts: 16, topK: 4, data: "test", layers: layers)
    let placement = try Placement(profile, devices: 4, method: .refined, options: .init(proposals: 20_000))
    #expect(try Self.read(placement.json) == placement)
    #expect(placement.layers.map(\.layer) == [2, 7])
    let predicted = try #require(placement.layers[0].predicted)
    #expect(abs(predicted.remoteCopies - predicted.devicesPerToken * 0.75) <= 1e-12)
  }
}
