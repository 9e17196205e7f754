internal import Formats
internal import Routing
import Foundation

extension SwapSearch {
  /// Brings every device under the cap, each time by the swap that takes away most excess load; ties to the smaller
  /// rise of Σ C_T, then to the earlier pair. `false` if no swap helps before that.
  func repair() -> Bool {
    while excess > 0 {
      var best: (a: Int, b: Int, relief: Int64, change: Int)?
      for a in 0..<experts {
        for b in a + 1..<max(experts, a + 1) where placement[a] != placement[b] {
          let relief = excessChange(a, b)
          if relief >= 0 || relief > best?.relief ?? 0 { continue }
          let change = change(a, b, bound: bound(a, b))
          if let best, relief == best.relief, change >= best.change { continue }
          best = (a, b, relief, change)
        }
      }
      guard let best else { return false }
      swap(best.a, best.b, change: best.change)
    }
    return true
  }

  /// Takes every swap, and with slack every move, that lowers Σ C_T within the cap, until a whole round finds none.
  func descend() {
    let slack = room.lowerBound < room.upperBound
    var improved = true
    while improved {
      improved = false
      for a in 0..<experts {
        for b in a + 1..<max(experts, a + 1) where placement[a] != placement[b] {
          let bound = bound(a, b)
          if bound >= 0 || excessChange(a, b) > 0 { continue }
          let change = change(a, b, bound: bound)
          if change < 0 {
            swap(a, b, change: change)
            improved = true
          }
        }
        for device in 0..<devices where slack && mayMove(a, to: device) {
          let change = change(moving: a, to: device)
          if change < 0 {
            move(a, to: device, change: change)
            improved = true
          }
        }
      }
    }
  }

  /// Simulated annealing over swaps (and with slack, moves), with geometric temperatures tied to the number of
  /// proposals.
  ///
  /// A proposal of rise Δ is accepted with chance exp(−Δ / T). The chance is drawn first, so that the cheap lower bound
  /// of Δ refuses most of them. A tight cap cuts the placements within it into islands: with `penalties`, swaps may
  /// cross the water at a price for each unit of excess load, which rises, and what is left over is up to `repair`.
  ///
  /// - Parameters:
  ///   - proposals: how many.
  ///   - temperatures: first and last T, in the unit of Σ C_T.
  ///   - penalties: first and last price of excess load, in Σ C_T; `nil` forbids more of it.
  ///   - generator: of pairs and chances.
  func anneal(
    proposals: Int, temperatures: (first: Double, last: Double), penalties: (first: Double, last: Double)? = nil,
    _ generator: inout SplitMix64
  ) {
    guard proposals > 0, devices > 1 else { return }
    let slack = room.lowerBound < room.upperBound
    // The temperature changes in steps: a power for every proposal would cost more than the proposal.
    let stages = min(proposals, 200)
    let ratio = temperatures.last / temperatures.first
    for stage in 0..<stages {
      let progress = Double(stage) / Double(max(stages - 1, 1))
      let temperature = temperatures.first * pow(ratio, progress)
      let penalty = penalties.map { $0.first * pow($0.last / $0.first, progress) }
      for _ in proposals * stage / stages..<proposals * (stage + 1) / stages {
        let a = generator.below(experts)
        let threshold = -temperature * log(1 - generator.uniform())
        if slack, generator.below(4) == 0 {
          let device = generator.below(devices)
          guard mayMove(a, to: device) else { continue }
          let change = change(moving: a, to: device)
          if Double(change) <= threshold { move(a, to: device, change: change) }
          continue
        }
        let b = generator.below(experts)
        if placement[a] == placement[b] { continue }
        let bound = bound(a, b)
        let more = excessChange(a, b)
        if penalty == nil, more > 0 { continue }
        let allowed = threshold - (penalty ?? 0) * Double(more)
        if Double(bound) > allowed { continue }
        let change = change(a, b, bound: bound)
        if Double(change) <= allowed { swap(a, b, change: change) }
      }
    }
  }
}
