import Formats
import TestSupport
import Testing

@testable import Placements
@testable import Profiles
@testable import Routing

@Suite struct SwapSearchTests {
  static func search(_ profile: LayerProfile, slack: Int = 0, cap: Int64 = .max / 4) -> SwapSearch {
    let share = profile.experts / 4
    return SwapSearch(
      DistinctSets(experts: profile.experts, topK: profile.topK, sets: profile.sets), load: profile.load,
      placement: PlacementMethod.contiguous(experts: profile.experts, devices: 4), devices: 4, cap: cap,
      room: share - slack...share + slack)
  }

  @Test func equalSetsCollapse() {
    let sets: [Int32] = [0, 2, 1, 3, 0, 2, 0, 3, 1, 3, 0, 2]
    let all = DistinctSets(experts: 4, topK: 2, sets: sets)
    #expect(all.sets == [0, 2, 1, 3, 0, 3] && all.weights == [3, 2, 1] && all.total == 6)
    let some = DistinctSets(experts: 4, topK: 2, sets: sets, tokens: [1, 3, 4])
    #expect(some.sets == [1, 3, 0, 3] && some.weights == [2, 1])
  }

  @Test func countsKeptUpToDateEqualARecount() {
    // Few experts, so that sets repeat and weights exceed 1.
    let profile = clusteredProfile(tokens: 400, experts: 16, topK: 4, groups: 4, seed: 6)
    let search = Self.search(profile, slack: 2)
    #expect(search.data.rows < 400)
    var generator = SplitMix64(seed: 1)
    for step in 0..<80 {
      let (a, b) = (generator.below(16), generator.below(16))
      let device = generator.below(4)
      if step % 3 == 0 {
        guard search.mayMove(a, to: device) else { continue }
        search.move(a, to: device, change: search.change(moving: a, to: device))
      } else {
        if search.placement[a] == search.placement[b] { continue }
        let bound = search.bound(a, b)
        let change = search.change(a, b, bound: bound)
        #expect(bound <= change)
        search.swap(a, b, change: change)
      }
      let fresh = Self.search(profile, slack: 2)
      fresh.restart(from: search.placement)
      #expect(search.deviceRows == fresh.deviceRows)
      #expect(search.tables == fresh.tables)
      #expect(search.loads == fresh.loads && search.held == fresh.held)
      let plain = Prediction.deviceRows(profile.sets, topK: 4, placement: search.placement, devices: 4)
      #expect(search.deviceRows == plain)
    }
  }

  @Test func annealingKeepsTheCapAndTheRoom() {
    let profile = clusteredProfile(tokens: 600, experts: 32, topK: 4, groups: 4, seed: 2)
    let even = PlacementMethod.balanced(profile.load, devices: 4)
    let mean = profile.load.reduce(0, +) / 4
    for slack in [0, 2] {
      let search = Self.search(profile, slack: slack, cap: mean + mean / 20)
      search.restart(from: even)
      var generator = SplitMix64(seed: 3)
      search.anneal(proposals: 20_000, temperatures: (60, 1), &generator)
      search.descend()
      #expect(search.excess == 0)
      #expect(search.held.allSatisfy { (8 - slack...8 + slack).contains($0) })
      let plain = Prediction.deviceRows(profile.sets, topK: 4, placement: search.placement, devices: 4)
      #expect(search.deviceRows == plain)
      let before = Prediction.deviceRows(profile.sets, topK: 4, placement: even, devices: 4)
      #expect(plain < before)
    }
  }
}

private func == (a: SwapSearchTables, b: SwapSearchTables) -> Bool {
  a.counts == b.counts && a.enter == b.enter && a.leave == b.leave
}

private typealias SwapSearchTables = (counts: [UInt8], enter: [Int], leave: [Int])
