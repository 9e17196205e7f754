import Formats
import Testing

@testable import Routing

@Suite struct LimitAllocationTests {
  private static func curve(_ layer: Int, _ points: [(limit: Int, loss: Double, devices: Double)]) -> LimitCurve {
    LimitCurve(layer: layer, points: points.map { .init(limit: $0.limit, loss: $0.loss, devices: $0.devices) })
  }

  /// The layer that suffers keeps its devices.
  @Test func spendsWhereLossSuffers() throws {
    let curves = [
      Self.curve(0, [(4, 3.0, 3.5), (2, 3.01, 2), (1, 3.05, 1)]),
      Self.curve(1, [(1, 3.9, 1), (2, 3.4, 2), (4, 3.0, 3.5)]),
    ]
    let loose = try LimitAllocation(curves, budget: 3.5)
    #expect(loose.limits == [4, 4] && loose.increase == 0)
    let middle = try LimitAllocation(curves, budget: 2.25)
    #expect(middle.limits == [1, 4] && middle.devices == 2.25)
    #expect(abs(middle.increase - 0.05) < 1e-12)
    #expect(try LimitAllocation(curves, budget: 1).limits == [1, 1])
    let error = #expect(throws: RoutingError.self) { try LimitAllocation(curves, budget: 0.5) }
    #expect(
      error?.description
        == "device_limit auto: expected at least 1.0 devices a token, which the smallest limits take, found 0.5")
  }

  /// On small random layers, never above the budget, and seldom far from the best of all allocations.
  @Test func isNearTheBestOfAllAllocations() throws {
    var generator = SplitMix64(seed: 3)
    var (found, optimum, uniform) = (0.0, 0.0, 0.0)
    for _ in 0..<60 {
      let curves = (0..<5).map { layer in
        let steepness = generator.uniform()
        return Self.curve(
          layer,
          (1...4).map { limit in
            (limit, steepness * Double((4 - limit) * (4 - limit)), Double(limit) * (0.85 + 0.05 * generator.uniform()))
          })
      }
      let budget = 1.2 + 2 * generator.uniform()
      let allocation = try LimitAllocation(curves, budget: budget)
      #expect(allocation.devices <= budget + 1e-9)
      var best = Double.infinity
      for code in 0..<1024 {
        let points = curves.enumerated().map { layer, curve in curve.points[code >> (2 * layer) & 3] }
        guard points.reduce(0, { $0 + $1.devices }) / 5 <= budget else { continue }
        best = min(best, points.reduce(0) { $0 + $1.loss })
      }
      (found, optimum) = (found + allocation.increase, optimum + best)
      let same = (0..<4).last { limit in curves.reduce(0) { $0 + $1.points[limit].devices } / 5 <= budget } ?? 0
      uniform += curves.reduce(0) { $0 + $1.points[same].loss }
    }
    #expect(found >= optimum && found < 1.1 * optimum, "greedy \(found), best \(optimum)")
    #expect(found < 0.8 * uniform, "greedy \(found), one limit for all \(uniform)")
  }
}
