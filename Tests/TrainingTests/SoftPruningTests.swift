import Checkpoint
import Foundation
import Models
import Tensors
import Testing

@testable import Training

/// Runs with a schedule of limits, the collaboration loss and distillation.
@Suite struct SoftPruningTests {
  /// Four devices of two experts, top 2: limits 4, 2, 1 over eight steps, with every term on.
  private func tiny() throws -> TinyRun {
    let tiny = try TinyRun()
    tiny.recipe.routing.devices = 4
    tiny.recipe.routing.deviceLimit = 1
    tiny.recipe.routing.deviceLimitSchedule = .stages([
      .init(step: 0, limit: 4), .init(step: 3, limit: 2), .init(step: 5, limit: 1),
    ])
    tiny.recipe.loss.z = 1e-3
    tiny.recipe.loss.collaboration = 0.5
    tiny.recipe.loss.distillation.router = 0.3
    tiny.recipe.loss.distillation.logits = 0.2
    tiny.recipe.loss.distillation.temperature = 2
    return tiny
  }

  /// Stopped in every stage: limits, teacher and weights are those of the run that was not stopped.
  @Test(arguments: [2, 4, 6]) func resumedRunHasTheSameBits(stop: Int) throws {
    let tiny = try tiny()
    let straight = try tiny.tuning("whole").run(.new)
    var asked = 0
    let part = try tiny.tuning("part")
    #expect(
      try part.run(.new) {
        asked += 1
        return asked == stop
      }.ending == .stopped(step: stop))
    // What is written speaks of the end of the schedule, wherever the run stopped.
    #expect(try ModelFiles(opening: part.folder.checkpoint(step: stop)).routing?.deviceLimit == 1)
    let resumed = try tiny.tuning("part").run(.resume)
    #expect(bits(resumed.model) == bits(straight.model))
    let metrics = try TinyRun.metrics(RunFolder(tiny.folder.path + "/whole"))
    #expect(try TinyRun.metrics(part.folder) == metrics)
    #expect(metrics.dropFirst().map { $0["device_limit"] } == [4, 4, 4, 2, 2, 1, 1, 1])
    for record in metrics.dropFirst() {
      #expect(record["devices_per_token", default: .nan] <= record["device_limit", default: .nan])
      #expect(record["chosen_devices_per_token", default: .nan] > 1)
    }
  }

  /// The total is the weighted sum of its parts, and the run that ends reports C_T with the rule and without.
  @Test func recordsEveryTermAndWhatTheRuleHides() throws {
    let tiny = try tiny()
    let run = try tiny.tuning()
    _ = try run.run(.new)
    let metrics = try TinyRun.metrics(run.folder)
    for record in metrics.dropFirst() {
      let terms: [(String, Double)] = [
        ("ce", 1), ("aux", 0.01), ("z", 1e-3), ("collaboration", 0.5), ("distillation_router", 0.3),
        ("distillation_logits", 0.2),
      ]
      let sum = terms.reduce(0) { $0 + record[$1.0, default: .nan] * $1.1 }
      #expect(abs(record["loss", default: .nan] - sum) <= 1e-5)
      #expect((1...2).contains(record["collaboration", default: .nan]))
    }
    // Before the first step the student is its teacher.
    #expect(abs(metrics[1]["distillation_router", default: .nan]) <= 1e-5)
    #expect(abs(metrics[1]["distillation_logits", default: .nan]) <= 1e-4)
    #expect(metrics[8]["distillation_logits", default: .nan] > 1e-4)
    let summary = try RunSummary(path: run.folder.summary)
    #expect(summary.devicesPerToken == 1 && summary.devicesPerTokenUnlimited ?? .nan > 1)
    #expect(summary.validationLoss == metrics[8]["validation_ce"])
    #expect(summary.validationLossUnlimited ?? .nan != summary.validationLoss)
  }

  /// The collaboration loss alone, with a large coefficient, brings C_T of the plain choice down.
  @Test func theCollaborationLossLowersDevicesPerToken() throws {
    func devices(_ coefficient: Double) throws -> Double {
      let tiny = try TinyRun()
      tiny.recipe.routing.devices = 4
      tiny.recipe.loss.collaboration = coefficient
      tiny.recipe.schedule.maxSteps = 12
      let run = try tiny.tuning()
      _ = try run.run(.new)
      return try #require(try RunSummary(path: run.folder.summary).devicesPerTokenUnlimited)
    }
    let (free, pressed) = (try devices(0), try devices(20))
    #expect(pressed < free - 0.2, "\(free) → \(pressed)")
  }

  /// The teacher is the base model without its limit, shares what does not train, and never moves.
  @Test func theTeacherSharesWhatIsFrozen() throws {
    let tiny = try tiny()
    let run = try tiny.tuning()
    var state = try run.begun()
    let teacher = try #require(state.teacher)
    let base = bits(try tiny.base.model())
    func addresses(_ model: LanguageModel) -> [String: UnsafeRawPointer?] {
      var addresses: [String: UnsafeRawPointer?] = [:]
      model.forEachParameter { path, parameter in addresses[path.name] = parameter.withBytes { $0.baseAddress } }
      return addresses
    }
    _ = try run.advance(&state, LearningRateSchedule(name: .constant, warmupSteps: 0, steps: 8))
    #expect(bits(teacher) == base && teacher.layers.allSatisfy { $0.moe?.rule.isUnpruned == true })
    let (own, others) = (addresses(state.model), addresses(teacher))
    state.model.forEachParameter { path, parameter in
      #expect((own[path.name] == others[path.name]) == !parameter.isTracked, "\(path)")
    }
  }

  @Test func adaptersAreNotTheTeachers() throws {
    let tiny = try tiny()
    tiny.recipe.train.experts = .lora(.init(rank: 2, alpha: 4))
    tiny.recipe.train.router = .lora(.init(rank: 2, alpha: 4))
    let run = try tiny.tuning()
    let straight = try run.run(.new)
    let teacher = try #require(try run.teacher(of: straight.model))
    #expect(bits(teacher) == bits(try tiny.base.model()))
    var asked = 0
    _ = try tiny.tuning("part").run(.new) {
      asked += 1
      return asked == 4
    }
    #expect(bits(try tiny.tuning("part").run(.resume).model) == bits(straight.model))
  }

  @Test func stagesFallByOneDevice() {
    var routing = Recipe.Routing()
    #expect(routing.limitStages.isEmpty && routing.deviceLimit(atStep: 3) == nil)
    routing.deviceLimit = 1
    #expect(routing.deviceLimit(atStep: 0) == 1)
    routing.deviceLimitSchedule = .falling(from: 4, steps: 100)
    #expect(routing.limitStages.map(\.step) == [0, 33, 66, 100] && routing.limitStages.map(\.limit) == [4, 3, 2, 1])
    #expect([0, 32, 33, 99, 100, 500].map { routing.deviceLimit(atStep: $0) } == [4, 4, 3, 2, 1, 1])
  }

  /// A schedule must end before the run does, which is known once data is read.
  @Test(arguments: [(119, true), (120, false)]) func aScheduleMustEndInTime(steps: Int, fits: Bool) throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    let recipe = try Recipe.load(
      root + "/recipes/quickstart.yaml",
      overrides: [
        "model=\(root)/checkpoints/base.h5", "output=/tmp/occult-schedule-never", "routing.device_limit=2",
        "routing.device_limit_schedule={from: 3, steps: \(steps)}",
      ])
    do throws {
      _ = try RunPreparation(recipe, mode: .new)
      #expect(fits)
    } catch {
      #expect(
        !fits
          && "\(error)"
            == "routing.device_limit_schedule: expected device_limit 2 to be reached before the last of 120 steps, found it "
            + "after step 120; try 60"
      )
    }
  }

  /// What a teacher takes follows from counts alone.
  @Test func theEstimateCountsTheTeacher() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    func estimate(_ changes: String...) throws -> RunEstimate {
      let fixed = ["model=\(root)/checkpoints/base.h5", "output=/tmp/occult-teacher-never"]
      return try RunPreparation(
        try Recipe.load(root + "/recipes/quickstart.yaml", overrides: fixed + changes), mode: .new
      ).estimate()
    }
    func teacher(_ estimate: RunEstimate) -> Int? { estimate.memory.first { $0.name == "teacher" }?.bytes }
    let without = try estimate()
    #expect(teacher(without) == nil)
    let router = try estimate("loss.distillation.router=1")
    let trained = 6 * (64 * 192 + 3 * 64 * 32 * 192)
    #expect(teacher(router) == 2 * trained + 4 * 4096 * (2 * 64 * 6 + 4 * 192))
    #expect(router.operations > without.operations * 1.1)
    let frozen = try estimate("loss.distillation.router=1", "train={experts: frozen, shared_experts: frozen}")
    #expect(teacher(frozen) == 2 * 6 * 64 * 192 + 4 * 4096 * (2 * 64 * 6 + 4 * 192))
    let logits = try estimate("loss.distillation.logits=1")
    #expect(teacher(logits) ?? 0 > teacher(router) ?? 0 && logits.operations > router.operations)
  }
}
