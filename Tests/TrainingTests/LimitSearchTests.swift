import Checkpoint
import Placements
import Routing
import Models
import Testing

@testable import Training

@Suite struct LimitSearchTests {
  private static func search(_ tiny: TinyRun, policy: Recipe.Policy = .router) throws -> LimitSearch {
    tiny.recipe.routing.policy = policy
    tiny.recipe.routing.devices = 4
    let model = try tiny.base.model()
    let documents = TinyRun.documents(20, seed: 8)
    let profile = try ModelProfiler(model).profile(documents.map { ($0.id, $0.tokens) }, data: "test")
    let placement = try Placement(profile, devices: 4, method: .contiguous)
    let settings = try RoutingPlan.settings(tiny.recipe, placement) { profile }
    return LimitSearch(model, settings, documents: documents, batchTokens: 128)
  }

  /// Curves are the losses of models with one limited layer, and the chosen limits keep to the budget when they act
  /// together.
  @Test func spendsABudget() throws {
    let tiny = try TinyRun()
    let search = try Self.search(tiny)
    var passes: [Int] = []
    let result = try search.run(budget: 1.5) { done, total in passes.append(done * 100 + total) }
    #expect(passes == (1...7).map { $0 * 100 + 7 })
    #expect(result.curves.map(\.layer) == [0, 1])
    for curve in result.curves {
      #expect(curve.points.map(\.limit) == [1, 2, 3, 4])
      // Two experts reach two devices at most: from there on a limit changes nothing.
      #expect(curve.points[1] == .init(limit: 2, loss: curve.points[3].loss, devices: curve.points[3].devices))
      #expect(curve.points[0].devices == 1 && curve.points[0].loss != curve.points[3].loss)
    }
    #expect(result.allocation.devices <= 1.5)
    #expect(Set(result.allocation.limits) == [1, 4] || result.allocation.limits == [1, 1])
    #expect(try search.run(budget: 1.5).allocation == result.allocation)
    #expect(try search.run(budget: 4).settings == search.settings.limited(to: 4))
    let error = #expect(throws: RoutingError.self) { try search.run(budget: 0.9) }
    #expect(error == .budget(0.9, least: 1))
  }

  @Test func everyPolicyCanBeSpentOn() throws {
    for policy in [Recipe.Policy.fewerExperts, .collaborationConstrained, .similarity, .groupLimited] {
      let tiny = try TinyRun()
      #expect(try Self.search(tiny, policy: policy).run(budget: 1.6).allocation.devices <= 1.6, "\(policy)")
    }
  }

  @Test func withoutTextThereIsNothingToCompare() throws {
    let tiny = try TinyRun()
    let settings = try Self.search(tiny).settings
    let search = LimitSearch(try tiny.base.model(), settings, documents: [], batchTokens: 128)
    let error = #expect(throws: LimitSearchError.self) { try search.run(budget: 2) }
    #expect(
      error?.description
        == "device_limit auto: expected profile text to measure losses on, found none; try data.profile")
  }

  /// A run under a list of limits stores it and goes on under it.
  @Test func aRunKeepsItsLimits() throws {
    let tiny = try TinyRun()
    tiny.recipe.routing.setLimits([1, 2])
    tiny.recipe.routing.policy = .fewerExperts
    let (ending, _) = try tiny.tuning().run(.new)
    #expect(ending == .finished)
    let folder = RunFolder(tiny.folder.path + "/run")
    #expect(try RunSummary(path: folder.summary).deviceLimits == [1, 2])
    let routing = try #require(try ModelFiles(opening: folder.final).routing)
    #expect(routing.layerLimits == [1, 2] && routing.tables[1]?.keptExperts?.count == 2)
    #expect(throws: RoutingError.layerLimits(expected: 2, found: 3)) {
      tiny.recipe.routing.setLimits([1, 2, 1])
      try RoutingPlan.check(tiny.recipe, tiny.base.configuration)
    }
  }
}
