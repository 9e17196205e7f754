import Foundation
import Testing

/// A profile of loads alone: what later commands make of it, and what they say is missing.
@Suite struct LoadProfileTests {
  private let place: Workplace
  private var loads: String { place.path + "/loads.h5" }

  init() throws {
    place = try Workplace()
    try "[[90, 80, 10, 10, 10, 10, 10, 20], [5, 5, 5, 5, 5, 5, 5, 5]]".write(
      toFile: place.path + "/loads.json", atomically: true, encoding: .utf8)
    let made = try CommandLineTests.run([
      "profile", "--loads", place.path + "/loads.json", "--top-k", "2", "--output", loads,
    ])
    try #require(made.status == 0, "\(made.error)")
  }

  private func object(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  @Test func loadContiguousAndRandomPlaceIt() throws {
    let output = place.path + "/placement.json"
    for method in ["load", "contiguous", "random"] {
      let placed = try CommandLineTests.run([
        "place", loads, "--devices", "4", "--method", method, "--output", output, "--export", "eplb",
        place.path + "/map.json",
      ])
      #expect(placed.status == 0, "\(method): \(placed.error)")
      #expect(placed.out.contains("from loads alone: devices_per_token and what follows from it take a profile with"))
      #expect(FileManager.default.fileExists(atPath: place.path + "/map.json"))
    }
    let placed = try CommandLineTests.run([
      "place", loads, "--devices", "4", "--method", "load", "--nodes", "2", "--output", output, "--json",
    ])
    let layers = try #require(try object(placed.out)["layers"] as? [[String: Any]])
    // 240 tokens on 4 devices: 90 + 10 on the busiest, or 170 in the file's order.
    #expect(
      layers[0]["imbalance"] as? Double == 100.0 / 60 && layers[0]["contiguous_imbalance"] as? Double == 170.0 / 60)
    #expect(layers[1]["imbalance"] as? Double == 1)
    // The placement is one like any other.
    let limited = try CommandLineTests.run([
      "generate", place.path + "/base.h5", "--prompt", "One", "--max-new", "2", "--placement", output, "--show-routing",
    ])
    #expect(limited.status == 0, "\(limited.error)")
  }

  @Test func aPlanHasWhatIsKnown() throws {
    let machine = ["--topology", CommandLineTests.root + "/recipes/topologies/pcie.yaml", "--hidden", "8"]
    let sizes = ["--intermediate", "4", "--devices", "4"]
    let planned = try CommandLineTests.run(["plan", loads] + machine + sizes + ["--json"])
    #expect(planned.status == 0, "\(planned.error)")
    let rows = try #require(try object(planned.out)["rows"] as? [[String: Any]])
    #expect(rows.map { $0["dispatch"] as? String } == ["naive", "naive_placed"])
    let imbalances = rows.map { ($0["mean"] as? [String: Any])?["imbalance_rows"] as? Double }
    #expect(imbalances[0] ?? 0 > imbalances[1] ?? 9)
    let table = try CommandLineTests.run(["plan", loads] + machine + sizes)
    #expect(table.out.contains("naive, placed") && table.out.contains("has loads alone"))
    let refused = try CommandLineTests.run(["plan", loads, "--method", "refined"] + machine + sizes)
    #expect(refused.status == 1 && refused.error.contains("expected recorded sets"))
  }

  @Test func everythingElseSaysWhatIsMissing() throws {
    let (base, out) = (place.path + "/base.h5", place.path + "/x.json")
    let limited = ["--devices", "4", "--device-limit", "2", "--profile", loads, "--prompt", "One"]
    let commands: [([String], String)] = [
      (["place", loads, "--devices", "4", "--output", out], "expected recorded sets"),
      (["place", loads, "--devices", "4", "--method", "occult", "--output", out], "expected recorded sets"),
      (["place", loads, "--devices", "4", "--method", "spectral", "--output", out], "expected recorded sets"),
      (["place", loads, "--devices", "4", "--seconds", "1", "--output", out], "expected recorded sets"),
      (
        ["place", loads, "--devices", "4", "--method", "load", "--replicas", "1", "--output", out],
        "expected recorded sets"
      ),
      (["place", loads, "--devices", "4", "--method", "load", "--pareto", "--output", out], "expected recorded sets"),
      (["analyze", loads, "--devices", "4"], "expected recorded sets"),
      (["analyze", loads, "--devices", "4", "--method", "load"], "expected recorded sets"),
      (["analyze", loads, "--devices", "4", "--against", loads], "expected recorded sets"),
      (["profile", "--routing", loads, "--output", place.path + "/y.h5"], "expected recorded sets"),
      (["bench", "placement", "--profile", loads, "--devices", "4"], "expected recorded sets"),
      (["generate", base, "--policy", "similarity"] + limited, "router logits"),
      (["generate", base, "--policy", "output_similarity"] + limited, "similarities of expert outputs"),
      (["generate", base, "--policy", "c2r"] + limited, "counts of experts used together"),
      (["generate", base, "--policy", "fewer_experts"] + limited, "recorded sets and their weights"),
    ]
    for (arguments, missing) in commands {
      let result = try CommandLineTests.run(arguments)
      #expect(result.status == 1 && result.error.contains(missing), "\(arguments): \(result.status) \(result.error)")
      #expect(!FileManager.default.fileExists(atPath: out), "\(arguments)")
    }
  }

  /// Experts that contiguous groups keep together carry most of the load: the cap forbids that, and `place` says what
  /// it costs.
  @Test func aLoadCapThatCostsMoreThanPlacingGainsIsSaid() throws {
    var lines: [String] = []
    for token in 0..<300 {
      // The first two experts go together, often.
      let ids = token % 3 < 2 ? [0, 1] : [2 + token % 6, 2 + (token / 6 + 1 + token) % 6]
      let set = ids[0] == ids[1] ? [ids[0], 2 + (ids[0] - 1) % 6] : ids
      lines.append("{\"layer\": 0, \"topk_ids\": \(set), \"topk_weights\": [0.6, 0.4]}")
    }
    try lines.joined(separator: "\n").write(toFile: place.path + "/r.jsonl", atomically: true, encoding: .utf8)
    let (profile, output) = (place.path + "/r.h5", place.path + "/p.json")
    let made = try CommandLineTests.run([
      "profile", "--routing", place.path + "/r.jsonl", "--experts", "8", "--output", profile,
    ])
    try #require(made.status == 0, "\(made.error)")
    let arguments = ["place", profile, "--devices", "4", "--proposals", "2000", "--output", output]
    let capped = try CommandLineTests.run(arguments)
    #expect(capped.status == 0)
    #expect(
      capped.out.contains("load cap 1.1: refined uses more devices per token than contiguous groups, ")
        && capped.out.contains("--load-cap none would give"), "\(capped.out)")
    let cost = try #require(
      try object(try CommandLineTests.run(arguments + ["--json"]).out)["load_cap_cost"] as? [String: Any])
    func devices(_ key: String) -> Double { (cost[key] as? [String: Any])?["devices_per_token"] as? Double ?? .nan }
    #expect(cost["layers"] as? [Int] == [0])
    #expect(devices("capped") > devices("contiguous") && devices("uncapped") <= devices("contiguous"))
    let free = try CommandLineTests.run(arguments + ["--load-cap", "none"])
    #expect(free.status == 0 && !free.out.contains("load cap"))
    let mean = free.out.split(separator: "\n").first { $0.hasPrefix("mean") }?.split(separator: " ")
    #expect(mean?[1] ?? "" == String(format: "%.3f", devices("uncapped")), "\(free.out)")
  }
}
