/// Swaps and moves of experts that change the true Σ C_T over recorded sets, with counts kept up to date instead of
/// recounted.
///
/// With n_d(t) the number of experts that set t has on device d, moving expert e from device x to d changes Σ C_T by
///
///     enter(e, d) − leave(e),   enter(e, d) = Σ_{t ∋ e, n_d(t) = 0} w_t,   leave(e) = Σ_{t ∋ e, n_x(t) = 1} w_t
///
/// and swapping a (on x) with b (on y) by both moves, plus what sets that hold both a and b were charged although
/// nothing changes for them:
///
///     Δ = enter(a, y) − leave(a) + enter(b, x) − leave(b) + Σ_{t ∋ a, b} w_t ([n_x(t) = 1] + [n_y(t) = 1])
///
/// The last sum is never negative, so the first four terms, which are four look-ups, rule out nearly all swaps; the
/// sets of each pair are listed, so the sum itself is short.
final class SwapSearch {
  let data: DistinctSets
  let experts: Int
  let topK: Int
  let devices: Int
  let load: [Int64]
  /// Most load a device may carry.
  let cap: Int64
  /// Experts a device may hold.
  let room: ClosedRange<Int>

  private(set) var placement: [Int]
  /// Σ C_T.
  private(set) var deviceRows: Int
  /// [devices]: Σ load.
  private(set) var loads: [Int64]
  /// [devices]: experts held.
  private(set) var held: [Int]

  // The memory of the hot path, owned: freed in `deinit`, never handed out.
  private let sets: UnsafeMutablePointer<Int32>
  private let weights: UnsafeMutablePointer<Int32>
  /// [experts]: π once more.
  private let place: UnsafeMutablePointer<Int32>
  /// [rows, devices]: n_d(t).
  private let counts: UnsafeMutablePointer<UInt8>
  /// [experts, devices] and [experts], as above.
  private let enter: UnsafeMutablePointer<Int>
  private let leave: UnsafeMutablePointer<Int>
  /// Rows by expert: expert e is in `rowsOf[starts[e]..<starts[e + 1]]`, ascending; and by pair, at a·E + b with a < b.
  private let rowsOf: UnsafeMutablePointer<Int32>
  private let starts: UnsafeMutablePointer<Int>
  private let rowsOfPair: UnsafeMutablePointer<Int32>
  private let pairStarts: UnsafeMutablePointer<Int>

  /// A search over equal groups, unless `room` says otherwise.
  init(
    _ data: DistinctSets, load: [Int64], placement: [Int], devices: Int, cap: Int64, room: ClosedRange<Int>? = nil
  ) {
    precondition(data.topK <= Int(UInt8.max), "SwapSearch: sets of \(data.topK) experts; at most 255")
    precondition(load.count == data.experts, "SwapSearch: \(load.count) loads for \(data.experts) experts")
    self.data = data
    (experts, topK) = (data.experts, data.topK)
    self.devices = devices
    self.load = load
    self.cap = cap
    self.room = room ?? experts / devices...experts / devices
    self.placement = placement
    (deviceRows, loads, held) = (0, [], [])
    let (rows, k) = (data.rows, data.topK)
    sets = .allocate(capacity: rows * k)
    weights = .allocate(capacity: rows)
    place = .allocate(capacity: experts)
    counts = .allocate(capacity: rows * devices)
    enter = .allocate(capacity: experts * devices)
    leave = .allocate(capacity: experts)
    rowsOf = .allocate(capacity: rows * k)
    starts = .allocate(capacity: experts + 1)
    rowsOfPair = .allocate(capacity: rows * k * max(k - 1, 0) / 2)
    pairStarts = .allocate(capacity: experts * experts + 1)
    _ = UnsafeMutableBufferPointer(start: sets, count: rows * k).initialize(from: data.sets)
    _ = UnsafeMutableBufferPointer(start: weights, count: rows).initialize(from: data.weights)
    index()
    restart(from: placement)
  }

  deinit {
    sets.deallocate()
    weights.deallocate()
    place.deallocate()
    counts.deallocate()
    enter.deallocate()
    leave.deallocate()
    rowsOf.deallocate()
    starts.deallocate()
    rowsOfPair.deallocate()
    pairStarts.deallocate()
  }

  /// Counting sort of rows by expert and by pair.
  private func index() {
    let (rows, k) = (data.rows, topK)
    starts.initialize(repeating: 0, count: experts + 1)
    pairStarts.initialize(repeating: 0, count: experts * experts + 1)
    for row in 0..<rows {
      for i in row * k..<(row + 1) * k {
        starts[Int(sets[i]) + 1] += 1
        for j in i + 1..<max(i + 1, (row + 1) * k) { pairStarts[pair(Int(sets[i]), Int(sets[j])) + 1] += 1 }
      }
    }
    for e in 0..<experts { starts[e + 1] += starts[e] }
    for p in 0..<experts * experts { pairStarts[p + 1] += pairStarts[p] }
    for row in stride(from: rows - 1, through: 0, by: -1) {
      for i in row * k..<(row + 1) * k {
        let e = Int(sets[i])
        starts[e + 1] -= 1
        rowsOf[starts[e + 1]] = Int32(truncatingIfNeeded: row)
        for j in i + 1..<max(i + 1, (row + 1) * k) {
          let p = pair(e, Int(sets[j]))
          pairStarts[p + 1] -= 1
          rowsOfPair[pairStarts[p + 1]] = Int32(truncatingIfNeeded: row)
        }
      }
    }
    // Each bound has moved to the start of its own run: back by one place.
    for e in 0..<experts { starts[e] = starts[e + 1] }
    starts[experts] = rows * k
    for p in 0..<experts * experts { pairStarts[p] = pairStarts[p + 1] }
    pairStarts[experts * experts] = rows * k * max(k - 1, 0) / 2
  }

  @inline(__always)
  private func pair(_ a: Int, _ b: Int) -> Int { a < b ? a * experts + b : b * experts + a }

  /// Starts again from another placement.
  func restart(from placement: [Int]) {
    let (rows, k) = (data.rows, topK)
    self.placement = placement
    loads = Prediction.loads(load, placement: placement, devices: devices)
    held = [Int](repeating: 0, count: devices)
    for device in placement { held[device] += 1 }
    for e in 0..<experts { place[e] = Int32(truncatingIfNeeded: placement[e]) }
    counts.initialize(repeating: 0, count: rows * devices)
    enter.initialize(repeating: 0, count: experts * devices)
    leave.initialize(repeating: 0, count: experts)
    deviceRows = 0
    for row in 0..<rows {
      let n = counts + row * devices
      let w = Int(weights[row])
      for i in row * k..<(row + 1) * k { n[Int(place[Int(sets[i])])] += 1 }
      for d in 0..<devices {
        if n[d] > 0 {
          deviceRows += w
        } else {
          for i in row * k..<(row + 1) * k { enter[Int(sets[i]) * devices + d] += w }
        }
      }
      for i in row * k..<(row + 1) * k where n[Int(place[Int(sets[i])])] == 1 { leave[Int(sets[i])] += w }
    }
  }

  /// n_d(t), enter and leave, as the tests see them.
  var tables: (counts: [UInt8], enter: [Int], leave: [Int]) {
    (
      Array(UnsafeBufferPointer(start: counts, count: data.rows * devices)),
      Array(UnsafeBufferPointer(start: enter, count: experts * devices)),
      Array(UnsafeBufferPointer(start: leave, count: experts))
    )
  }

  /// The four look-ups: Δ is at least this.
  @inline(__always)
  func bound(_ a: Int, _ b: Int) -> Int {
    enter[a * devices + Int(place[b])] - leave[a] + enter[b * devices + Int(place[a])] - leave[b]
  }

  /// Δ of swapping a and b, exactly; `bound` is what the function of that name gives.
  @inline(__always)
  func change(_ a: Int, _ b: Int, bound: Int) -> Int {
    let (x, y) = (Int(place[a]), Int(place[b]))
    var change = bound
    let p = pair(a, b)
    for slot in pairStarts[p]..<pairStarts[p + 1] {
      let row = Int(rowsOfPair[slot])
      let n = counts + row * devices
      change += Int(weights[row]) * ((n[x] == 1 ? 1 : 0) + (n[y] == 1 ? 1 : 0))
    }
    return change
  }

  /// Δ of moving a to device y, exactly.
  @inline(__always)
  func change(moving a: Int, to y: Int) -> Int { enter[a * devices + y] - leave[a] }

  /// Swaps a and b; `change` is Δ.
  func swap(_ a: Int, _ b: Int, change: Int) {
    let (x, y) = (Int(place[a]), Int(place[b]))
    let p = pair(a, b)
    let both = (pairStarts[p], pairStarts[p + 1])
    shift(a, from: x, to: y, except: both)
    shift(b, from: y, to: x, except: both)
    for slot in both.0..<both.1 {
      let row = Int(rowsOfPair[slot])
      let n = counts + row * devices
      let difference = Int(weights[row]) * ((n[y] == 1 ? 1 : 0) - (n[x] == 1 ? 1 : 0))
      leave[a] += difference
      leave[b] -= difference
    }
    (place[a], place[b]) = (place[b], place[a])
    placement.swapAt(a, b)
    loads[x] += load[b] - load[a]
    loads[y] += load[a] - load[b]
    deviceRows += change
  }

  /// Moves a to device y; `change` is Δ.
  func move(_ a: Int, to y: Int, change: Int) {
    let x = Int(place[a])
    shift(a, from: x, to: y, except: (0, 0))
    place[a] = Int32(truncatingIfNeeded: y)
    placement[a] = y
    loads[x] -= load[a]
    loads[y] += load[a]
    held[x] -= 1
    held[y] += 1
    deviceRows += change
  }

  /// Takes e from device x to y in all its sets but those listed in `rowsOfPair[except]`.
  @inline(__always)
  private func shift(_ e: Int, from x: Int, to y: Int, except: (Int, Int)) {
    let k = topK
    var (skip, skipEnd) = except
    var ownLeave = leave[e]
    for slot in starts[e]..<starts[e + 1] {
      let row = Int(rowsOf[slot])
      // Both lists ascend.
      if skip < skipEnd, Int(rowsOfPair[skip]) == row {
        skip += 1
        continue
      }
      let w = Int(weights[row])
      let members = sets + row * k
      let n = counts + row * devices
      let (before, there) = (n[x], n[y])
      n[x] = before - 1
      n[y] = there + 1
      if before == 1 {
        ownLeave -= w
        for i in 0..<k { enter[Int(members[i]) * devices + x] += w }
      } else if before == 2 {
        for i in 0..<k where place[Int(members[i])] == x && members[i] != e { leave[Int(members[i])] += w }
      }
      if there == 0 {
        ownLeave += w
        for i in 0..<k { enter[Int(members[i]) * devices + y] -= w }
      } else if there == 1 {
        for i in 0..<k where place[Int(members[i])] == y && members[i] != e { leave[Int(members[i])] -= w }
      }
    }
    leave[e] = ownLeave
  }

  /// Load above the cap, summed over devices.
  var excess: Int64 { loads.reduce(0) { $0 + max(0, $1 - cap) } }

  /// Excess after `shift` load went from device x to y, minus excess before.
  @inline(__always)
  func excessChange(_ shift: Int64, from x: Int, to y: Int) -> Int64 {
    max(0, loads[x] - shift - cap) + max(0, loads[y] + shift - cap) - max(0, loads[x] - cap) - max(0, loads[y] - cap)
  }

  /// Excess after swapping a and b, minus excess before.
  @inline(__always)
  func excessChange(_ a: Int, _ b: Int) -> Int64 {
    excessChange(load[a] - load[b], from: Int(place[a]), to: Int(place[b]))
  }

  /// Whether a may move to y and keep both within `room` and the cap.
  @inline(__always)
  func mayMove(_ a: Int, to y: Int) -> Bool {
    let x = Int(place[a])
    return x != y && held[x] > room.lowerBound && held[y] < room.upperBound
      && excessChange(load[a], from: x, to: y) <= 0
  }
}
