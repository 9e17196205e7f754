import Formats
import Routing
import Foundation

@testable import Evaluation

/// A made-up study of realistic size and shape: 4 arms × 3 limits, 6 layers of 64 experts on 4 devices.
enum Sample {
  /// Seed of everything in it.
  static let seed: UInt64 = 7

  static let facts = RunFacts(
    model: "base-olmoe-10m.h5", parameters: 9_621_696, experts: 64, topK: 8, hidden: 192, devices: 4,
    bytesPerElement: 4, placement: "occult", seeds: [1], batchOrders: ["9f2c61d07ab3e4f1"], tokensTrained: 614_400,
    seconds: 402.3, targetData: "responses of GSM8K and of alpaca_small, test split",
    retentionData: "WikiText-103, test split", maxLogitDifference: 0, version: "0.1.0")

  /// Made once: simulated routing is the slow part.
  private static let layers: [LayerPlacement] = {
    var random = SplitMix64(seed: seed)
    return (0..<6).map { layer($0, &random) }
  }()

  static func study(documents: Int = 120) -> Study {
    var random = SplitMix64(seed: seed &+ 1)
    return Study(
      facts: facts, cells: cells(documents, layers, &random), curves: curves(&random), layers: layers)
  }

  /// The same base, standard arm and layers with 45 limited arms as in a study of routing rules, each under no limit
  /// and under its own rule.
  static func manyArms(seeds: Int) -> Study {
    var study = study(documents: 40)
    var random = SplitMix64(seed: seed &+ 2)
    let policies = [
      "router", "similarity", "output_similarity", "mass", "best_mass", "adaptive", "group_limited", "drop",
      "fewer_experts", "random_devices", "soft",
    ]
    let names = policies + policies.map { $0 + "-mass" }
    let rules =
      [2, 1].flatMap { limit in
        names.map { name in
          (name: name.hasSuffix("-mass") ? "\(name.dropLast(5))-L\(limit)-mass" : "\(name)-L\(limit)", limit: limit)
        }
      } + [(name: "c2r", limit: 2)]
    let plain = study.cells
    var cells: [Cell] = []
    func add(_ arm: String, like: String, from limit: Int?, rule: (name: String, limit: Int)?, trained: String?) {
      guard let pattern = plain.first(where: { $0.arm == like && $0.evaluatedLimit == limit }) else { return }
      let shift = 0.03 * normal(&random)
      for seed in 1...(pattern.fineTuned ? seeds : 1) {
        var cell = pattern
        (cell.arm, cell.seed) = (arm, pattern.fineTuned ? seed : nil)
        (cell.evaluatedRule, cell.evaluatedLimit) = (rule?.name, rule?.limit)
        (cell.trainedRule, cell.trainedLimit) = (trained, rules.first { $0.name == trained }?.limit)
        let own = 0.01 * normal(&random)
        for index in cell.target.indices {
          cell.target[index].nll += (trained == nil ? 0 : shift + own) * Double(cell.target[index].tokens)
        }
        cell.communication.bytes *= 1 + 0.1 * shift
        cells.append(cell)
      }
    }
    for arm in ["base", "standard"] {
      add(arm, like: arm, from: nil, rule: nil, trained: nil)
      for rule in rules { add(arm, like: arm, from: rule.limit, rule: rule, trained: nil) }
    }
    for rule in rules {
      add(rule.name, like: "L\(rule.limit)", from: nil, rule: nil, trained: rule.name)
      add(rule.name, like: "L\(rule.limit)", from: rule.limit, rule: rule, trained: rule.name)
    }
    study.facts.seeds = Array(1...seeds)
    study.cells = cells
    study.curves =
      [study.curves[0]] + rules.map { LossCurve(arm: $0.name, points: study.curves[$0.limit == 2 ? 1 : 2].points) }
    return study
  }

  private static func uniform(_ random: inout SplitMix64) -> Double {
    Double(random.next() >> 11) * 0x1p-53
  }

  private static func normal(_ random: inout SplitMix64) -> Double {
    (-2 * log(1 - uniform(&random))).squareRoot() * cos(2 * .pi * uniform(&random))
  }

  private static func cells(
    _ documents: Int, _ layers: [LayerPlacement], _ random: inout SplitMix64
  ) -> [Cell] {
    let arms: [(String, Bool, Int?, [Double])] = [
      ("base", false, nil, [3.912, 3.964, 4.207]), ("standard", true, nil, [2.418, 2.479, 2.762]),
      ("L2", true, 2, [2.427, 2.421, 2.604]), ("L1", true, 1, [2.461, 2.472, 2.489]),
    ]
    let tokens = (0..<documents).map { _ in 20 + random.below(180) }
    let hardness = (0..<max(documents, 40)).map { _ in 0.45 * normal(&random) }
    var cells: [Cell] = []
    for (arm, isTuned, trained, losses) in arms {
      for (limit, loss) in zip([nil, 2, 1], losses) {
        let target = (0..<documents).map { index in
          DocumentLoss(
            document: "test-\(index)",
            nll: Double(tokens[index]) * max(0.05, loss + hardness[index] + 0.03 * normal(&random)),
            tokens: tokens[index])
        }
        let retention = (0..<40).map { index in
          DocumentLoss(
            document: "wiki-\(index)",
            nll: 256 * (3.55 + (isTuned ? 0.08 : 0) + (limit == 1 ? 0.2 : 0) + hardness[index] / 2), tokens: 256)
        }
        let own = layers.map { figures($0, limit: limit, shift: isTuned ? 0.98 : 1, &random) }
        cells.append(
          Cell(
            arm: arm, fineTuned: isTuned, trainedLimit: trained, evaluatedLimit: limit,
            trainedRule: trained.map { "L\($0)" }, evaluatedRule: limit.map { "L\($0)" }, seed: isTuned ? 1 : nil,
            policy: limit == nil ? "none" : "router", target: target, retention: retention, communication: mean(own),
            layers: own))
      }
    }
    return cells
  }

  private static func figures(
    _ layer: LayerPlacement, limit: Int?, shift: Double, _ random: inout SplitMix64
  ) -> CommunicationFigures {
    let noise = 1 + 0.01 * normal(&random)
    let devices = min(layer.chosen.devicesPerToken * shift * noise, limit.map { Double($0) * 0.995 } ?? 4)
    let remote = devices * 0.75
    return CommunicationFigures(
      layer: layer.layer, devicesPerToken: limit == 1 ? 1 : devices, remoteCopies: limit == 1 ? 0.75 : remote,
      naiveCopies: 8, naiveRemoteCopies: 6, bytes: (limit == 1 ? 0.75 : remote) * 768, naiveBytes: 6 * 768,
      intraShare: limit == 1 ? 1 : limit == 2 ? 0.58 : layer.chosen.intraShare,
      imbalanceRows: layer.chosen.imbalance * (limit == 1 ? 1.25 : limit == 2 ? 1.1 : 1) * noise,
      imbalanceWire: layer.chosen.imbalance * (limit == 1 ? 1.2 : 1.02),
      retainedMass: limit == 1 ? 0.71 : limit == 2 ? 0.912 : 1)
  }

  private static func mean(_ layers: [CommunicationFigures]) -> CommunicationFigures {
    func mean(_ value: (CommunicationFigures) -> Double) -> Double {
      layers.reduce(0) { $0 + value($1) } / Double(layers.count)
    }
    return CommunicationFigures(
      layer: nil, devicesPerToken: mean(\.devicesPerToken), remoteCopies: mean(\.remoteCopies), naiveCopies: 8,
      naiveRemoteCopies: 6, bytes: mean(\.bytes), naiveBytes: 6 * 768, intraShare: mean(\.intraShare),
      imbalanceRows: mean(\.imbalanceRows), imbalanceWire: mean(\.imbalanceWire), retainedMass: mean(\.retainedMass))
  }

  private static func curves(_ random: inout SplitMix64) -> [LossCurve] {
    let noise = (0...150).map { _ in 0.12 * normal(&random) }  // Shared: all arms see the same batches.
    return [("standard", 2.40), ("L2", 2.41), ("L1", 2.47)].map { arm, floor in
      LossCurve(
        arm: arm,
        points: (0...150).map { step in
          let loss = floor + (3.9 - floor) * exp(-Double(step) / 22)
          return LossCurve.Point(
            step: step, tokens: step * 4096, train: step == 0 ? nil : loss + noise[step] + 0.01 * normal(&random),
            validation: step.isMultiple(of: 25) ? loss + 0.02 : nil)
        })
    }
  }

  /// Tokens choose a theme and mostly experts of it; themes are hidden in the original order.
  private static func layer(_ index: Int, _ random: inout SplitMix64) -> LayerPlacement {
    let (experts, k, devices) = (64, 8, 4)
    let theme = (0..<experts).map { _ in random.below(7) }
    let popularity = (0..<experts).map { _ in 0.7 * normal(&random) }
    let strength = 0.6 + 0.35 * Double(index)
    var coactivation = [Int](repeating: 0, count: experts * experts)
    var load = [Int](repeating: 0, count: experts)
    var sets: [[Int]] = []
    for _ in 0..<600 {
      let subject = random.below(7)
      let scores = (0..<experts).map { expert in
        popularity[expert] + (theme[expert] == subject ? strength : 0) + 1.1 * normal(&random)
      }
      let chosen = (0..<experts).sorted { scores[$0] > scores[$1] }.prefix(k)
      sets.append(Array(chosen))
      for i in chosen {
        load[i] += 1
        for j in chosen where i != j { coactivation[i * experts + j] += 1 }
      }
    }
    var expertDevice = [Int](repeating: 0, count: experts)
    for (place, expert) in (0..<experts).sorted(by: { (theme[$0], $0) < (theme[$1], $1) }).enumerated() {
      expertDevice[expert] = place / (experts / devices)
    }
    let contiguous = (0..<experts).map { $0 / (experts / devices) }
    return LayerPlacement(
      layer: index, coactivation: coactivation, load: load, expertDevice: expertDevice,
      contiguous: prediction(contiguous, sets, coactivation, load),
      chosen: prediction(expertDevice, sets, coactivation, load))
  }

  private static func prediction(
    _ device: [Int], _ sets: [[Int]], _ coactivation: [Int], _ load: [Int]
  ) -> PlacementPrediction {
    let copies = sets.reduce(0.0) { $0 + Double(Set($1.map { device[$0] }).count) } / Double(sets.count)
    var (inside, all) = (0, 0)
    for i in device.indices {
      for j in device.indices where i < j {
        all += coactivation[i * device.count + j]
        if device[i] == device[j] { inside += coactivation[i * device.count + j] }
      }
    }
    let loads = (0..<4).map { each in device.indices.reduce(0) { $0 + (device[$1] == each ? load[$1] : 0) } }
    return PlacementPrediction(
      devicesPerToken: copies, remoteCopies: copies * 0.75, intraShare: Double(inside) / Double(all),
      imbalance: Double(loads.max() ?? 0) * 4 / Double(loads.reduce(0, +)))
  }
}
