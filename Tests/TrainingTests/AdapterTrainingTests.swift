import Checkpoint
import Foundation
import Models
import Testing
import Text

@testable import Training

/// Runs that train low-rank adapters.
@Suite struct AdapterTrainingTests {
  private struct TenSteps: Decodable { let losses: [Double] }

  /// PEFT with PyTorch's AdamW in float64: make_lora.py.
  @Test(arguments: ["olmoe-tiny", "qwen2_moe-tiny"]) func tenStepsAsInPEFT(variant: String) throws {
    let oracle = TrainingStepTests.oracles + variant
    let expected = try JSONDecoder().decode(
      TenSteps.self, from: Data(contentsOf: URL(fileURLWithPath: oracle + "-lora/ten_steps.json"))
    ).losses
    #expect(expected.count == 11)
    let folder = try TemporaryFolder()
    let checkpoint = folder.path + "/adapter.h5"
    _ = try AdapterImport(source: oracle + "-lora", base: oracle, destination: checkpoint).run(program: "test")
    let batch = try TrainingStepTests.oracleBatch(oracle)
    var model = try ModelFiles(opening: checkpoint).model()
    model.train([])
    var optimizer = AdamW(learningRate: 1e-2, betas: (0.9, 0.95), epsilon: 1e-8, weightDecay: 0.1)
    let step = TrainingStep(
      terms: LossTerms(auxiliary: .hf, auxiliaryCoefficient: model.configuration.auxiliaryCoefficient))
    for (index, loss) in expected.enumerated() {
      let (losses, gradients) = try step(model, [batch], step: index + 1)
      #expect(abs(losses.total - loss) <= 1e-4, "step \(index)")
      optimizer.update(&model, gradients)
    }
    #expect(optimizer.moments.count == (variant == "olmoe-tiny" ? 28 : 44))
    #expect(optimizer.moments.keys.allSatisfy { $0.contains(".lora_") })
  }

  /// A run that adapts attention, router and a quarter of the experts.
  private func adaptedRun() throws -> TinyRun {
    let tiny = try TinyRun()
    tiny.recipe.train.attention = .lora(.init(rank: 3, alpha: 6))
    tiny.recipe.train.router = .lora(.init(rank: 2, alpha: 4))
    tiny.recipe.train.experts = .lora(.init(rank: 2, alpha: 8, share: 0.25))
    return tiny
  }

  private func stopping(after step: Int) -> () -> Bool {
    var asked = 0
    return {
      asked += 1
      return asked == step
    }
  }

  @Test func resumedRunHasTheSameBits() throws {
    let tiny = try adaptedRun()
    tiny.recipe.routing.deviceLimit = 1
    tiny.recipe.schedule.accumulation = 2
    let whole = try tiny.tuning("whole")
    let straight = try whole.run(.new)
    let part = try tiny.tuning("part")
    #expect(try part.run(.new, isStopRequested: stopping(after: 3)).ending == .stopped(step: 3))
    let resumed = try tiny.tuning("part").run(.resume)
    #expect(resumed.ending == .finished && bits(resumed.model) == bits(straight.model))
    #expect(bits(try ModelFiles(opening: part.folder.final).model()) == bits(straight.model))
    let (a, b) = (
      try TrainingState(readingFrom: whole.folder.checkpoint(step: 6)),
      try TrainingState(readingFrom: part.folder.checkpoint(step: 6))
    )
    #expect(a.moments.count == 2 * 2 * (4 + 1 + 2) && a.moments.keys == b.moments.keys)
    for (name, moment) in a.moments {
      #expect(moment.first.elements == b.moments[name]?.first.elements, "\(name)")
      #expect(moment.second.elements == b.moments[name]?.second.elements, "\(name)")
    }
    #expect(try TinyRun.metrics(part.folder) == TinyRun.metrics(whole.folder))
  }

  @Test func filesHoldTheAdaptersAlone() throws {
    let tiny = try adaptedRun()
    let run = try tiny.tuning()
    let (_, model) = try run.run(.new)
    let base = bits(try tiny.base.model())
    for (name, after) in bits(model) where base[name] != nil { #expect(after == base[name], "\(name) is frozen") }
    for path in [run.folder.checkpoint(step: 6), run.folder.final] {
      let weights = try HDF5Reader(path).datasets().filter { !$0.hasPrefix("/training/") && !$0.hasPrefix("/routing/") }
      #expect(weights.allSatisfy { $0.hasPrefix("/adapter/") || ["/config_json", "/recipe_yaml"].contains($0) })
      // A and B of 4 + 1 + 2 weights in 2 layers, and which experts.
      #expect(weights.filter { $0.hasPrefix("/adapter/") }.count == 2 * (2 * 7 + 1))
      let files = try ModelFiles(opening: path)
      #expect(files.base?.stored == [] && files.base?.path == tiny.base.path)
      #expect(files.adapters == run.adapters && files.adapters?.experts.count == 2)
    }
    let summary = try RunSummary(path: run.folder.summary)
    #expect(
      summary.trainedParameters == [
        "attention": 2 * 4 * 3 * 64, "router": 2 * 2 * (32 + 8), "experts": 2 * 2 * 2 * (32 + 32 + 16 + 32),
      ])
    // What was measured while training is what the file gives, adapters applied.
    let metrics = try TinyRun.metrics(run.folder)
    let loaded = try ModelFiles(opening: run.folder.final).model()
    var meter: CommunicationMeter?
    let loss = HeldOutLoss.mean(
      HeldOutLoss.score(loaded, TinyRun.documents(5, seed: 4), batchTokens: 64, meter: &meter))
    #expect(loss == metrics.last?["validation_ce"])
    #expect(loss != metrics[0]["validation_ce"])
  }

  @Test func adaptersBesideARoleThatTrainsFully() throws {
    let tiny = try TinyRun()
    tiny.recipe.train.attention = .lora(.init(rank: 2, alpha: 4))
    let run = try tiny.tuning()
    let model = try run.run(.new).model
    let files = try ModelFiles(opening: run.folder.final)
    #expect(files.base?.stored == [.experts, .router])
    #expect(bits(try files.model()) == bits(model))
    #expect {
      _ = try AdapterExport(source: run.folder.final, destination: tiny.folder.path + "/peft").run()
    } throws: {
      "\($0)"
        == "\(run.folder.final): expected a run that trained adapters alone, found experts, router trained fully; "
        + "try converting it without --adapter, which merges everything"
    }
    // Merged, it needs neither adapters nor base, and cannot be resumed from moments that have lost their factors.
    let merged = tiny.folder.path + "/merged.h5"
    _ = try Conversion(source: run.folder.checkpoint(step: 6), destination: merged).run(program: "test")
    #expect(try !HDF5Reader(merged).contains("training"))
    #expect(try ModelFiles(opening: merged).adapters == nil)
  }

  @Test func theHottestExperts() throws {
    #expect(AdapterPlan.hottest([5, 9, 9, 1, 7], share: 0.4) == [1, 2])
    #expect(AdapterPlan.hottest([5, 9, 9, 1, 9], share: 0.2) == [1])
    #expect(AdapterPlan.hottest([3, 3, 3, 3], share: 0.6) == [0, 1, 2])
    #expect(AdapterPlan.hottest([3, 3, 3, 4], share: 0.001) == [3])
    #expect(AdapterPlan.hottest([0, 0], share: 1) == [0, 1])
    #expect(AdapterPlan.count(30, share: 0.1) == 3 && AdapterPlan.count(64, share: 0.25) == 16)

    let tiny = try adaptedRun()
    let profile = try ModelProfiler(try tiny.base.model(), batchTokens: 64).profile(
      TinyRun.documents(10).map { ($0.id, $0.tokens) }, data: "test")
    let settings = try AdapterPlan.settings(tiny.recipe, tiny.base.configuration) { profile }
    for layer in profile.layers {
      let chosen = try #require(settings?.experts["model.layers.\(layer.layer).mlp.experts"])
      #expect(chosen.count == 2)
      let least = chosen.map { layer.load[$0] }.min() ?? 0
      #expect(layer.load.indices.allSatisfy { chosen.contains($0) || layer.load[$0] <= least })
    }
    tiny.recipe.train.experts = .lora(.init(rank: 2, alpha: 8))
    let all = try AdapterPlan.settings(tiny.recipe, tiny.base.configuration) {
      Issue.record("all experts need no profile")
      return profile
    }
    #expect(all?.experts == [:])
  }

  @Test func adaptersThatDoNotFitTheModelAreRefused() throws {
    let tiny = try adaptedRun()
    try AdapterPlan.check(tiny.recipe, tiny.base)
    let run = try tiny.tuning()
    _ = try run.run(.new)
    let adapted = AdapterPlanError.adapted(path: run.folder.final)
    #expect(throws: adapted) { try AdapterPlan.check(tiny.recipe, try ModelFiles(opening: run.folder.final)) }
    #expect(
      "\(adapted)"
        == "model: expected a model without adapters, found some in \(run.folder.final); try 'occult convert "
        + "\(run.folder.final) merged.h5', which merges them")
    tiny.recipe.train.sharedExperts = .lora(.init())
    #expect {
      try AdapterPlan.check(tiny.recipe, tiny.base)
    } throws: {
      "\($0)"
        == "train.shared_experts: expected a role that olmoe models have (attention, experts, router, embeddings, "
        + "norms), found lora on one that they lack; try train.shared_experts=frozen"
    }
  }
}
