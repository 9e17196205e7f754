/// Which devices a token keeps.
extension RoutingRule {
  /// Marks the kept devices; `true` if the plain choice lies on them already and stays as it is.
  @inline(__always)
  func keepDevices(_ p: UnsafePointer<Float>, number: Int, _ scratch: Scratch) -> Bool {
    var hit = 0
    for slot in 0..<topK {
      let device = placement[scratch.top[slot].index]
      if !scratch.kept[device] {
        scratch.kept[device] = true
        scratch.order[hit] = device
        hit += 1
      }
    }
    // `order` now lists the devices hit as the walk by falling p meets them, and all of them are marked.
    if hit <= limit && policy != .adaptive { return true }
    switch policy {
    case .none: return true
    case .router, .similarity, .drop: keep(first: limit, of: hit, scratch)
    case .mass:
      sortByMass(p, hit: hit, scratch)
      keep(first: limit, of: hit, scratch)
    case .bestMass: keepBestSet(p, scratch)
    case .adaptive:
      let count = fewestDevices(p, hit: hit, scratch)
      if count == hit { return true }
      keep(first: count, of: hit, scratch)
    case .randomDevices:
      drawDevices(number: number, hit: hit, scratch)
      keep(first: limit, of: hit, scratch)
    }
    return false
  }

  @inline(__always)
  private func keep(first count: Int, of hit: Int, _ scratch: Scratch) {
    for slot in count..<hit { scratch.kept[scratch.order[slot]] = false }
  }

  /// Orders the devices hit by falling Σ p over the plain choice, ties to the lower device.
  private func sortByMass(_ p: UnsafePointer<Float>, hit: Int, _ scratch: Scratch) {
    for slot in 0..<hit { scratch.mass[scratch.order[slot]] = 0 }
    for slot in 0..<topK {
      let expert = scratch.top[slot].index
      scratch.mass[placement[expert]] += Self.summand(p[expert])
    }
    for slot in 1..<max(hit, 1) {
      let device = scratch.order[slot]
      let mass = scratch.mass[device]
      var place = slot
      while place > 0 {
        let before = scratch.order[place - 1]
        if scratch.mass[before] > mass || (scratch.mass[before] == mass && before < device) { break }
        scratch.order[place] = before
        place -= 1
      }
      scratch.order[place] = device
    }
  }

  /// How many devices, in order of falling mass, keep 1−ε of the top-k mass and hold at least k experts; at most L.
  private func fewestDevices(_ p: UnsafePointer<Float>, hit: Int, _ scratch: Scratch) -> Int {
    sortByMass(p, hit: hit, scratch)
    // Summed in the same order as below: with every device kept, both sums are the same number.
    var total = 0.0
    for slot in 0..<hit { total += scratch.mass[scratch.order[slot]] }
    var mass = 0.0
    var seats = 0
    for slot in 0..<min(hit, limit) {
      let device = scratch.order[slot]
      mass += scratch.mass[device]
      seats += offsets[device + 1] - offsets[device]
      if mass >= (1 - epsilon) * total && seats >= topK { return slot + 1 }
    }
    return min(hit, limit)
  }

  /// Brings L random devices of those hit to the front: a seeded partial shuffle of the ascending list.
  private func drawDevices(number: Int, hit: Int, _ scratch: Scratch) {
    var slot = 0
    for device in 0..<devices where scratch.kept[device] {
      scratch.order[slot] = device
      slot += 1
    }
    var generator = SplitMix64(seed: seed, item: number)
    for slot in 0..<limit {
      let other = slot + generator.below(hit - slot)
      let device = scratch.order[slot]
      scratch.order[slot] = scratch.order[other]
      scratch.order[other] = device
    }
  }

  /// Tries every set of L devices and keeps the one whose best k experts have the largest Σ p; the first of equals.
  private func keepBestSet(_ p: UnsafePointer<Float>, _ scratch: Scratch) {
    for device in 0..<devices {
      var filled = 0
      let list = scratch.lists + device * topK
      for expert in members[offsets[device]..<offsets[device + 1]] {
        RankKey(p[expert], expert).insert(into: list, &filled, capacity: topK)
      }
      scratch.lengths[device] = filled
    }
    var best = -Double.infinity
    var bestSet = deviceSets[0]
    for set in deviceSets {
      let sum = bestSum(p, set, scratch)
      if sum > best {
        best = sum
        bestSet = set
      }
    }
    for device in 0..<devices { scratch.kept[device] = bestSet & (1 << UInt16(device)) != 0 }
  }

  /// Σ p of the best k experts on a set of devices: a merge of their sorted lists.
  @inline(__always)
  private func bestSum(_ p: UnsafePointer<Float>, _ set: UInt16, _ scratch: Scratch) -> Double {
    for device in 0..<devices { scratch.heads[device] = 0 }
    var sum = 0.0
    for _ in 0..<topK {
      var best: UInt64 = 0
      var from = -1
      var rest = set
      while rest != 0 {
        let device = rest.trailingZeroBitCount
        rest &= rest - 1
        let head = scratch.heads[device]
        if head == scratch.lengths[device] { continue }
        let key = scratch.lists[device * topK + head].bits
        if from < 0 || key > best {
          best = key
          from = device
        }
      }
      sum += Self.summand(p[scratch.lists[from * topK + scratch.heads[from]].index])
      scratch.heads[from] += 1
    }
    return sum
  }

  @inline(__always)
  private static func summand(_ probability: Float) -> Double { probability.isNaN ? 0 : Double(probability) }
}
