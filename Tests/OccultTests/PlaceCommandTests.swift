import Foundation
import Testing

/// Options of `occult place` that decide how long it searches and what it may choose.
@Suite struct PlaceCommandTests {
  private static func object(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  @Test func aTimedSearchIsRecordedAndRepeats() throws {
    let folder = NSTemporaryDirectory() + "/occult-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func place(_ arguments: String...) throws -> CommandLineTests.Result {
      try CommandLineTests.run(["place", folder + "/p.h5", "--devices", "4"] + arguments)
    }
    func read(_ name: String) throws -> String { try String(contentsOfFile: folder + "/" + name, encoding: .utf8) }
    let lines = (0..<240).map { token in
      let ids = [0, 1, 5].map { (token * 3 + $0 * (1 + token % 3)) % 16 }
      return "{\"layer\": 0, \"topk_ids\": \(ids), \"topk_weights\": [0.5, 0.3, 0.1]}"
    }
    try lines.joined(separator: "\n").write(toFile: folder + "/r.jsonl", atomically: true, encoding: .utf8)
    let profiled = try CommandLineTests.run([
      "profile", "--routing", folder + "/r.jsonl", "--experts", "16", "--output", folder + "/p.h5",
    ])
    #expect(profiled.status == 0)

    #expect(try place("--seconds", "0.01", "--output", folder + "/timed.json").status == 0)
    let proposals = try #require(try Self.object(try read("timed.json"))["proposals"] as? Int)
    // Two rounds are the least.
    #expect(proposals >= 2 * 25 * 16 * 15)
    let again = try place("--proposals", "\(proposals)", "--output", folder + "/again.json")
    #expect(again.status == 0)
    #expect(again.out.contains("\nrepeat with --proposals \(proposals) --seed 0\n"))
    #expect(try read("again.json") == read("timed.json"))

    let slack = try place(
      "--slack", "1", "--load-cap", "none", "--proposals", "2000", "--pareto", "--json", "--output",
      folder + "/slack.json")
    #expect(slack.status == 0)
    let frontier = try #require(try Self.object(slack.out)["frontier"] as? [[String: Any]])
    #expect(frontier.count == 8 && frontier.last?["load_cap"] == nil)
    let file = try Self.object(try read("slack.json"))
    let layer = try #require((file["layers"] as? [[String: Any]])?.first)
    let devices = try #require(layer["expert_device"] as? [Int])
    for device in 0..<4 { #expect((3...5).contains(devices.count { $0 == device })) }
    // The bound is of placements with the same freedom.
    let certificate = try #require(layer["certificate"] as? [String: Any])
    let predicted = try #require(layer["predicted"] as? [String: Any])
    let bound = try #require(certificate["lower_bound"] as? Double)
    #expect(bound <= predicted["devices_per_token"] as? Double ?? .nan)
  }
}
