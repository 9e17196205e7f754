public import Profiles

/// A further copy of an expert on a device that does not hold it.
public struct Replica: Sendable, Equatable, Codable {
  /// The original expert.
  public let expert: Int
  /// Where the copy lies.
  public let device: Int

  /// A copy.
  ///
  /// - Parameters:
  ///   - expert: the original expert.
  ///   - device: where the copy lies.
  public init(expert: Int, device: Int) {
    self.expert = expert
    self.device = device
  }

  /// Chooses R further experts for every device.
  ///
  /// One by one the copy joins that saves most device visits: the tokens whose only expert on some device is e and that
  /// visit d anyway no longer need the former. Ties go to the expert with the larger load, then the lower expert, then
  /// the lower device. Slots that save nothing take the expert with most load per copy that the device lacks.
  ///
  /// - Parameters:
  ///   - profile: a layer with recorded sets.
  ///   - placement: π.
  ///   - devices: D.
  ///   - each: R.
  /// - Returns: by device, then expert; R each.
  /// - Throws: `PlacementError` for more than the experts a device lacks, or no recorded sets.
  public static func choose(
    _ profile: LayerProfile, placement: [Int], devices: Int, each: Int
  ) throws(PlacementError) -> [Replica] {
    let experts = profile.experts
    let held = (0..<devices).map { device in placement.filter { $0 == device }.count }
    guard each >= 0, each <= experts - (held.max() ?? 0) else {
      throw .replicaSlots(experts: experts, devices: devices, found: each)
    }
    guard profile.recorded > 0 else { throw .noRecordedSets(layer: profile.layer) }
    var state = ReplicaSearch(profile, placement: placement, devices: devices)
    var room = [Int](repeating: each, count: devices)
    var chosen: [Replica] = []
    var copies = [Int](repeating: 1, count: experts)
    while let next = state.best(room, load: profile.load) {
      state.add(next)
      room[next.device] -= 1
      copies[next.expert] += 1
      chosen.append(next)
    }
    for device in 0..<devices {
      while room[device] > 0 {
        let lacking = (0..<experts).filter { !state.holds($0, device) }
        let hottest = lacking.min {
          Double(profile.load[$0]) / Double(copies[$0]) > Double(profile.load[$1]) / Double(copies[$1])
        }
        guard let expert = hottest else { break }
        let next = Replica(expert: expert, device: device)
        state.add(next)
        room[device] -= 1
        copies[expert] += 1
        chosen.append(next)
      }
    }
    return chosen.sorted { ($0.device, $0.expert) < ($1.device, $1.expert) }
  }
}

/// Which device serves each expert of each token while replicas are added, and what each further copy would save.
private struct ReplicaSearch {
  let topK: Int
  let devices: Int
  let sets: [Int32]
  /// [experts]: tokens that use each.
  private var tokensOf: [[Int]]
  /// [tokens, k]: the device that serves each chosen expert.
  private var serving: [Int32]
  /// [tokens, devices]: experts served there.
  private var counts: [UInt16]
  /// [experts, devices]: tokens that a copy of e on d would spare a device.
  private var gain: [Int]
  /// [experts, devices].
  private var held: [Bool]

  init(_ profile: LayerProfile, placement: [Int], devices: Int) {
    topK = profile.topK
    self.devices = devices
    sets = profile.sets
    tokensOf = [[Int]](repeating: [], count: profile.experts)
    serving = []
    counts = [UInt16](repeating: 0, count: profile.recorded * devices)
    gain = [Int](repeating: 0, count: profile.experts * devices)
    held = [Bool](repeating: false, count: profile.experts * devices)
    for (expert, device) in placement.enumerated() { held[expert * devices + device] = true }
    for (slot, expert) in sets.enumerated() {
      tokensOf[Int(expert)].append(slot / topK)
      serving.append(Int32(truncatingIfNeeded: placement[Int(expert)]))
      counts[slot / topK * devices + placement[Int(expert)]] += 1
    }
    for token in 0..<profile.recorded { charge(token, 1) }
  }

  func holds(_ expert: Int, _ device: Int) -> Bool { held[expert * devices + device] }

  private mutating func charge(_ token: Int, _ sign: Int) {
    let slots = token * topK..<(token + 1) * topK
    // The devices that the token visits, each at its first slot.
    for other in slots where !serving[slots.lowerBound..<other].contains(serving[other]) {
      for slot in slots where serving[slot] != serving[other] {
        if counts[token * devices + Int(serving[slot])] == 1 {
          gain[Int(sets[slot]) * devices + Int(serving[other])] += sign
        }
      }
    }
  }

  /// The copy that saves most; `nil` where none saves anything.
  func best(_ room: [Int], load: [Int64]) -> Replica? {
    var best: (gain: Int, load: Int64, replica: Replica)?
    for expert in load.indices {
      for device in 0..<devices where room[device] > 0 && !held[expert * devices + device] {
        let gain = gain[expert * devices + device]
        if gain > 0, (gain, load[expert]) > (best?.gain ?? 0, best?.load ?? -1) {
          best = (gain, load[expert], Replica(expert: expert, device: device))
        }
      }
    }
    return best?.replica
  }

  /// Adds a copy; the tokens that it spares a device are served by it.
  mutating func add(_ replica: Replica) {
    held[replica.expert * devices + replica.device] = true
    for token in tokensOf[replica.expert] where counts[token * devices + replica.device] > 0 {
      guard
        let slot = (token * topK..<(token + 1) * topK).first(where: { Int(sets[$0]) == replica.expert }),
        counts[token * devices + Int(serving[slot])] == 1, Int(serving[slot]) != replica.device
      else { continue }
      charge(token, -1)
      counts[token * devices + Int(serving[slot])] -= 1
      counts[token * devices + replica.device] += 1
      serving[slot] = Int32(truncatingIfNeeded: replica.device)
      charge(token, 1)
    }
  }
}
