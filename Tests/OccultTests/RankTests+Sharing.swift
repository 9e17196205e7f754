import Foundation
import Testing

/// What ranks share out besides tokens: nodes, adapters, memory.
extension RankTests {
  /// By way of nodes: the counts of one process, its losses, and less between nodes than without.
  @Test func nodesAreCrossedToOnce() throws {
    let place = try Workplace()
    let arguments = [
      "finetune", place.recipe, "schedule.max_steps=3", "routing.placement=contiguous", "routing.device_limit=3",
      "data.validation=0",
    ]
    #expect(try Self.run(1, arguments + ["parallel.nodes=2", "output=\(place.run("one"))"]).status == 0)
    #expect(try Self.run(4, arguments + ["parallel.nodes=2", "output=\(place.run("nodes"))"]).status == 0)
    #expect(try Self.run(4, arguments + ["output=\(place.run("direct"))"]).status == 0)
    let (one, nodes, direct) = (
      try metrics(place, "one"), try metrics(place, "nodes"), try metrics(place, "direct")
    )
    let levels = ["nodes_per_token", "copies_between_nodes", "copies_inside_nodes"]
    expectSame(one, nodes, levels)
    for (a, b) in zip(nodes, direct) {
      #expect(levels.allSatisfy { a[$0] != nil && b[$0] == nil })
      for name in ["ce", "grad_norm"] {
        let (a, b) = (a[name] ?? .nan, b[name] ?? .nan)
        #expect(abs(a - b) <= 1e-5 * abs(b), "\(name): \(a), \(b)")
      }
    }
    // What MPI was given: two layers, four directions, 32 wide, each step's tokens.
    var (copies, before) = (0.0, 0.0)
    for step in nodes {
      copies += (step["copies_between_nodes"] ?? .nan) * ((step["tokens"] ?? .nan) - before)
      before = step["tokens"] ?? .nan
    }
    let sent = try #require(try summary(place, "nodes")["sent_bytes"] as? [String: [String: Int]])
    #expect(sent["between_nodes"]?["rows"] == Int((copies * 2 * 4 * 32 * 4).rounded()))
  }

  /// Adapters live with their experts, on some ranks none of them.
  @Test func adaptersOfExpertsAreSpread() throws {
    let place = try Workplace()
    let arguments = [
      "finetune", place.recipe, "schedule.max_steps=4", "save.every=2", "train.experts={lora: {rank: 2, share: 0.3}}",
    ]
    #expect(try Self.run(1, arguments + ["output=\(place.run("one"))"]).status == 0)
    #expect(try Self.run(4, arguments + ["output=\(place.run("four"))"]).status == 0)
    let one = try metrics(place, "one")
    expectSame(one, try metrics(place, "four"))
    try expectClose(place)
    // Stopped after step 2 on four ranks, it goes on in one process; the other way round as well.
    for (run, ranks) in [("four", 1), ("one", 4)] {
      try FileManager.default.removeItem(atPath: place.run(run) + "/final.h5")
      #expect(try Self.run(ranks, arguments + ["output=\(place.run(run))", "--resume"]).status == 0)
      expectSame(one, try metrics(place, run))
    }
    try expectClose(place)
    let trained = try #require(try summary(place, "one")["trained_parameters"] as? [String: Int])
    let spread = try #require(try summary(place, "four")["trained_parameters"] as? [String: Int])
    #expect(trained == spread && trained["experts"] ?? 0 > 0)
    #expect(try weights(place.run("one") + "/final.h5").keys.contains { $0.contains("lora_A") })
  }

  /// Ranks that keep the best model end with it, and measure it again. Steps that grow and grow spoil the model.
  @Test func ranksKeepTheBest() throws {
    let place = try Workplace()
    let arguments = [
      "finetune", place.recipe, "data.validation=0.2", "schedule.max_steps=8", "schedule.warmup_steps=7",
      "run.evaluate_every=1", "run.keep_best=true", "optimizer.learning_rate=0.3",
    ]
    #expect(try Self.run(4, arguments).status == 0)
    let summary = try summary(place, "run")
    let losses = try metrics(place, "run").filter { $0["step"] ?? 0 > 0 }.map { $0["validation_ce"] ?? .nan }
    let best = try #require(summary["best_step"] as? Int)
    #expect(losses.count == 8 && best < 8 && losses.min() == losses[best - 1], "\(losses)")
    #expect(abs((summary["validation_loss"] as? Double ?? .nan) - losses[best - 1]) <= 1e-6 * losses[best - 1])
  }

  /// Weights of the runs `one` and `four`.
  private func expectClose(_ place: Workplace) throws {
    let (a, b) = (try weights(place.run("one") + "/final.h5"), try weights(place.run("four") + "/final.h5"))
    #expect(Set(a.keys) == Set(b.keys))
    for (name, values) in a {
      let scale = values.reduce(0) { max($0, abs($1)) }
      let others = try #require(b[name])
      #expect(values.count == others.count, "\(name)")
      #expect(zip(values, others).allSatisfy { abs($0 - $1) <= 1e-4 * scale }, "\(name)")
    }
  }

  /// The end of a run says what each rank took and sent.
  @Test func memoryAndBytesOfRanksAreSaid() throws {
    let place = try Workplace()
    let arguments = ["finetune", place.recipe, "schedule.max_steps=2", "parallel.nodes=2"]
    #expect(try Self.run(4, arguments).status == 0)
    let summary = try summary(place, "run")
    let memory = try #require(summary["rank_memory"] as? [Int])
    #expect(memory.count == 4 && memory.allSatisfy { $0 > 10_000_000 })
    #expect(memory.max() == summary["peak_memory"] as? Int)
    let sent = try #require(summary["sent_bytes"] as? [String: [String: Int]])
    #expect(Set(sent.keys) == ["inside_nodes", "between_nodes"])
    for level in sent.values {
      for purpose in ["rows", "metadata", "gradients"] { #expect(level[purpose] ?? 0 > 0, "\(purpose)") }
    }
  }

  /// Evaluation by way of nodes, as the recipe says: one process and ranks agree on every figure.
  @Test func evaluationCountsNodes() throws {
    let place = try Workplace()
    let test = (1...9).map { "{\"prompt\": \"\($0) - \($0) =\", \"completion\": \" 0\"}" }
    try test.joined(separator: "\n").write(toFile: place.path + "/test.jsonl", atomically: true, encoding: .utf8)
    let recipe = place.path + "/nodes.yaml"
    try String(contentsOfFile: place.recipe, encoding: .utf8)
      .replacing("template: plain", with: "test: {path: test.jsonl, format: prompt_completion}, template: plain")
      .appending("\nparallel: {nodes: 2}").write(toFile: recipe, atomically: true, encoding: .utf8)
    var results: [[String: Any]] = []
    for ranks in [1, 4] {
      let folder = place.run("evaluation-\(ranks)")
      let arguments = ["evaluate", place.path + "/base.h5", "--devices", "4", "--recipe", recipe, "--output", folder]
      let (status, error) = try Self.run(ranks, arguments)
      #expect(status == 0, "\(error)")
      let files = try FileManager.default.contentsOfDirectory(atPath: folder)
      let file = try #require(files.first { $0.hasPrefix("results_") })
      let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + file))
      results.append(try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any]))
    }
    let figures = try results.map { try #require($0["communication"] as? [String: Double]) }
    #expect(figures[0] == figures[1])
    #expect(figures[0]["copies_between_nodes"] ?? 0 > 0 && figures[0]["copies_inside_nodes"] ?? 0 > 0)
    let losses = try results.map { try #require(($0["target"] as? [String: Any])?["loss"] as? Double) }
    #expect(abs(losses[0] - losses[1]) <= 1e-5 * losses[0])
  }
}
