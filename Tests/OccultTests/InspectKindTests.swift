import Foundation
import Testing

/// `inspect` and `plan --model` on what has no weights of its own: a `config.json`, a run's folder, an exported map.
@Suite struct InspectKindTests {
  private func object(_ arguments: String...) throws -> [String: Any] {
    let result = try CommandLineTests.run(["inspect"] + arguments + ["--json"])
    try #require(result.status == 0, "\(result.error)")
    return try #require(try JSONSerialization.jsonObject(with: Data(result.out.utf8)) as? [String: Any])
  }

  private func facts(_ object: [String: Any]) throws -> [String: String] {
    let facts = try #require(object["facts"] as? [[String: String]])
    return Dictionary(facts.compactMap { fact in fact["name"].flatMap { name in fact["value"].map { (name, $0) } } }) {
      a, _ in a
    }
  }

  /// Parameters, memory and routing of published models, from their configuration alone.
  @Test func configurationsAlone() throws {
    let folder = CommandLineTests.root + "/Tests/ModelsTests/Configurations"
    let olmoe = try object(folder + "/olmoe.json")
    #expect(olmoe["kind"] as? String == "configuration")
    let facts = try facts(olmoe)
    #expect(facts["parameters"] == "6919161856" && facts["experts"] == "64 of width 1024, top 8 a token")
    // 1.3 billion of a token, as published.
    #expect(facts["parameters of a token"] == "1282017280")
    #expect(facts["memory"] == "13.8 GB in bfloat16, 27.7 GB in float32, weights alone")
    #expect(facts["routing"] == "no placement, no limit" && facts["end tokens"] == "50279")
    let types = try #require(olmoe["types"] as? [[String: Any]])
    #expect(types.count == 1 && types[0]["name"] as? String == "float32")
    let mixtral = try self.facts(try object(folder + "/mixtral.json"))
    #expect(mixtral["parameters"] == "46702792704" && mixtral["parameters of a token"] == "12879925248")
    // A broken one says what is wrong with it, not that it is no placement.
    let path = NSTemporaryDirectory() + "/occult-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    for (text, message) in [
      ("{", "config.json: expected a JSON object, found"),
      ("{\"model_type\": \"bert\"}", "model_type: expected one of"),
    ] {
      try text.write(toFile: path + "/config.json", atomically: true, encoding: .utf8)
      let result = try CommandLineTests.run(["inspect", path + "/config.json"])
      #expect(result.status == 1 && result.error.contains(message), "\(result.error)")
    }
  }

  @Test func runsAndPlans() throws {
    let place = try Workplace()
    #expect(try CommandLineTests.run(["finetune", place.recipe, "schedule.max_steps=3"]).status == 0)
    let run = try object(place.run("run"))
    #expect(run["kind"] as? String == "run")
    let facts = try facts(run)
    #expect(facts["model"] == place.run("run/final.h5") && facts["recipe"] == "stored" && facts["devices"] == "4")
    // Before it ends, the newest checkpoint stands for it.
    try FileManager.default.removeItem(atPath: place.run("run/final.h5"))
    #expect(try self.facts(try object(place.run("run")))["model"]?.contains("/checkpoints/step-") == true)

    let rows = (0..<40).flatMap { token in
      (0..<2).map {
        "{\"layer\": \($0), \"topk_ids\": [\(token % 8), \((token + 1) % 8)], \"topk_weights\": [0.6, 0.4]}"
      }
    }
    try rows.joined(separator: "\n").write(toFile: place.run("r.jsonl"), atomically: true, encoding: .utf8)
    let profile = place.run("p.h5")
    #expect(
      try CommandLineTests.run(["profile", "--routing", place.run("r.jsonl"), "--experts", "8", "--output", profile])
        .status
        == 0)
    #expect(try CommandLineTests.run(["convert", place.run("base.h5"), place.run("folder")]).status == 0)
    let machine = CommandLineTests.root + "/recipes/topologies/ethernet.yaml"
    let plans = try ["base.h5", "folder", "folder/config.json", "run"].map { model in
      let result = try CommandLineTests.run(
        ["plan", profile, "--topology", machine, "--model", place.run(model), "--devices", "4", "--json"])
      #expect(result.status == 0, "\(model): \(result.error)")
      return result.out
    }
    #expect(Set(plans).count == 1)
    let placement = place.run("placement.json")
    #expect(try CommandLineTests.run(["place", profile, "--devices", "4", "--output", placement]).status == 0)
    for engine in ["eplb", "sglang", "vllm-ascend"] {
      let map = place.run(engine + ".json")
      #expect(try CommandLineTests.run(["place", placement, "--export", engine, map]).status == 0)
      let found = try object(map)
      let facts = try self.facts(found)
      #expect(found["kind"] as? String == "map" && facts["engine"] == engine)
      #expect(facts["experts"] == "8" && facts["slots"] == "8 in a layer, 0 of them replicas" && facts["layers"] == "2")
      let plan = try CommandLineTests.run(["plan", profile, "--topology", machine, "--model", map])
      #expect(
        plan.status == 1 && plan.error.contains("found a placement for \(engine), which has no sizes"), "\(plan.error)")
    }
  }
}
