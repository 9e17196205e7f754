import TestSupport
import Testing

@testable import Placements
@testable import Profiles
@testable import Routing

@Suite struct PlanTests {
  static let fast = Topology.Link(latency: 1e-5, perPeer: 1e-6, bandwidth: 1e9)
  static let slow = Topology.Link(latency: 2e-5, perPeer: 3e-6, bandwidth: 1e8)

  static func machine(
    perNode: Int, exchange: Topology.Exchange = .direct, overlap: Double = 0, inside: Topology.Link = fast,
    between: Topology.Link? = slow
  ) -> Topology {
    Topology(
      name: "test", devicesPerNode: perNode, inside: inside, between: between, exchange: exchange, overlap: overlap,
      flops: 1e12)
  }

  static let work = Workload(tokens: 1000, hidden: 64, intermediate: 32, bytesPerElement: 2, denseFlops: 5e5)

  static func close(_ a: Double, _ b: Double, _ tolerance: Double = 1e-12) -> Bool {
    abs(a - b) <= tolerance * max(abs(a), abs(b))
  }

  // MARK: What a machine measured

  /// The paper's OLMoE points: fitted on 3.68 and 1.98 copies, the other two lie within 10 %.
  @Test func twoPointsOfThePaperPredictTheOthers() throws {
    let fit = try MeasuredTime([.init(copies: 3.68, seconds: 15.93), .init(copies: 1.98, seconds: 9.22)])
    // By hand: (15.93 − 9.22) / 1.70 = 3.9471, 15.93 − 3.9471 · 3.68 = 1.4048.
    #expect(Self.close(fit.perCopy, 6.71 / 1.7, 1e-9) && Self.close(fit.fixed, 15.93 - 6.71 / 1.7 * 3.68, 1e-9))
    let checks = fit.check([.init(copies: 3.02, seconds: 12.53), .init(copies: 1, seconds: 5.82)])
    for check in checks { #expect(abs(check.error) <= 0.10) }
    #expect(Self.close(checks[0].error, 13.3249 / 12.53 - 1, 1e-3))
    #expect(Self.close(checks[1].error, 5.3518 / 5.82 - 1, 1e-3))
    #expect(fit.isExtrapolated(1) && !fit.isExtrapolated(3.02) && fit.isExtrapolated(8))
  }

  /// More points than unknowns: least squares, whose residuals are orthogonal to 1 and to the copies.
  @Test func moreThanTwoPointsAreFittedByLeastSquares() throws {
    let points = [(1.0, 5.82), (1.98, 9.22), (3.02, 12.53), (3.68, 15.93)].map {
      MeasuredTime.Point(copies: $0.0, seconds: $0.1)
    }
    let fit = try MeasuredTime(points)
    let residuals = points.map { fit.seconds($0.copies) - $0.seconds }
    #expect(abs(residuals.reduce(0, +)) <= 1e-9)
    #expect(abs(zip(residuals, points).reduce(0) { $0 + $1.0 * $1.1.copies }) <= 1e-9)
  }

  @Test(arguments: [
    ([(2.0, 3.0), (2.0, 4.0)], "points: expected at least two with different copies, found 2 with the same"),
    ([(1.0, 4.0), (2.0, 3.0)], "points: expected a time that rises with copies, found one that does not"),
    ([], "points: expected at least two with different copies, found 0 with the same"),
  ])
  func pointsWithoutALineAreRefused(points: [(Double, Double)], message: String) {
    let error = #expect(throws: PlanError.self) {
      _ = try MeasuredTime(points.map { .init(copies: $0.0, seconds: $0.1) })
    }
    #expect(error?.description == message)
  }

  // MARK: Traffic

  @Test func trafficIsWhatThePredictionCounts() throws {
    let layer = clusteredProfile(tokens: 300, experts: 16, topK: 4, groups: 4, seed: 3)
    let placement = PlacementMethod.random(experts: 16, devices: 8, seed: 1, layer: 0)
    let predicted = try Prediction(layer, placement: placement, devices: 8)
    let traffic = try Traffic(layer, placement: placement, devices: 8, nodes: 2)
    #expect(Self.close(traffic.copies, predicted.devicesPerToken))
    #expect(Self.close((traffic.expertRows.max() ?? 0) * 8 / 4, predicted.imbalance))
    let asNodes = try Prediction(layer, placement: placement.map { $0 / 4 }, devices: 2)
    #expect(Self.close(traffic.nodes, asNodes.devicesPerToken))
    let naive = Traffic.naive(layer, placement: placement, devices: 8, nodes: 2)
    #expect(Self.close(naive.copies, 4) && naive.deviceCopies == naive.expertRows)
    #expect(zip(naive.expertRows, traffic.expertRows).allSatisfy { Self.close($0, $1, 1e-9) })
  }

  /// From sets and weights alone, the limited copies at every device are those that the rule itself makes from all p.
  @Test(arguments: [1, 2, 3], [0, 6])
  func limitedCopiesAreThoseOfTheRule(limit: Int, levels: Int) throws {
    let (experts, topK, devices, tokens) = (16, 4, 4, 400)
    let p = randomProbabilities(tokens: tokens, experts: experts, seed: 5, levels: levels)
    let placement = PlacementMethod.random(experts: experts, devices: devices, seed: 2, layer: 0)
    let rule = try RoutingRule(
      experts: experts, topK: topK, placement: placement, devices: devices, policy: .router, deviceLimit: limit)
    let routed = rule.route(p)
    var hits = [Int](repeating: 0, count: devices)
    for token in 0..<tokens {
      for device in Set(routed.used[token * topK..<(token + 1) * topK].map { placement[Int($0)] }) { hits[device] += 1 }
    }
    var accumulator = ProfileAccumulator(experts: experts, topK: topK)
    accumulator.add(
      layer: 0, topK: routed.chosen,
      weights: routed.chosen.enumerated().map { p[$0 / topK * experts + Int($1)] },
      documents: [Int32](repeating: 0, count: tokens))
    let layer = accumulator.profile(modelType: nil, data: "").layers[0]
    let traffic = try Traffic(layer, placement: placement, devices: devices, nodes: 2, limit: limit)
    #expect(traffic.deviceCopies == hits.map { Double($0) / Double(tokens) })
    #expect(Self.close(traffic.expertRows.reduce(0, +), Double(topK)))
  }

  @Test func withoutRecordedSetsNothingIsPlanned() {
    let layer = LayerProfile(
      layer: 3, experts: 2, topK: 1, tokens: 5, coactivation: [0, 0, 0, 0], load: [2, 3], sets: [], weights: [],
      documents: [])
    #expect(throws: PlacementError.noRecordedSets(layer: 3)) {
      _ = try Traffic(layer, placement: [0, 1], devices: 2, nodes: 1)
    }
  }

  // MARK: Time

  /// Every token sent from every home, row by row: the formulas give the same rows at the busiest device.
  @Test(arguments: Topology.Exchange.allCases, [false, true])
  func exchangeEqualsSendingEveryRow(exchange: Topology.Exchange, shared: Bool) throws {
    let (devices, nodes, m) = (8, 2, 4)
    let layer = clusteredProfile(tokens: 200, experts: 16, topK: 4, groups: 4, seed: 9)
    let placement = PlacementMethod.random(experts: 16, devices: devices, seed: 4, layer: 0)
    var inside = [Int](repeating: 0, count: devices)
    var between = inside
    for token in 0..<layer.recorded {
      let hit = Set(layer.sets[token * 4..<(token + 1) * 4].map { placement[Int($0)] })
      for home in 0..<devices {
        switch exchange {
        case .direct:
          for device in hit where device != home {
            if device / m == home / m { inside[device] += 1 } else { between[device] += 1 }
          }
        case .hierarchical:
          for node in Set(hit.map { $0 / m }) {
            let relay = node * m + home % m
            if node != home / m { between[relay] += 1 }
            for device in hit where device / m == node && device != relay { inside[device] += 1 }
          }
        }
      }
    }
    // Homes are spread evenly: T tokens at each of 8 homes, each like the mean recorded token.
    func bytes(_ rows: [Int]) -> Double {
      let byNode = (0..<nodes).map { rows[$0 * m..<($0 + 1) * m].reduce(0, +) }
      let most = (shared ? byNode.max() : rows.max()) ?? 0
      return Double(most) / Double(layer.recorded) * Double(Self.work.tokens) * 128
    }
    let fast = Topology.Link(latency: 1e-5, perPeer: 1e-6, bandwidth: 1e9, shared: shared)
    let slow = Topology.Link(latency: 2e-5, perPeer: 3e-6, bandwidth: 1e8, shared: shared)
    let peers = exchange == .direct ? 4.0 : 1
    let (t0, t1) = (1e-5 + 3e-6 + bytes(inside) / 1e9, 2e-5 + peers * 3e-6 + bytes(between) / 1e8)
    let cost = LayerCost(
      try Traffic(layer, placement: placement, devices: devices, nodes: nodes),
      .init(devices: devices, nodes: nodes, replicas: 1), experts: 16, workload: Self.work,
      topology: Self.machine(perNode: m, inside: fast, between: slow), exchange: exchange)
    #expect(Self.close(cost.allToAll, exchange == .direct ? max(t0, t1) : t0 + t1, 1e-9))
    let rows = Double(inside.reduce(0, +)) / Double(layer.recorded * devices)
    #expect(Self.close(cost.remoteInside, rows, 1e-9))
    let far = Double(between.reduce(0, +)) / Double(layer.recorded * devices)
    #expect(Self.close(cost.remoteBetween, far, 1e-9))
    #expect(Self.close(cost.bytes, (rows + far) * 1000 * 128, 1e-9))
  }

  @Test func timeByHand() throws {
    // Two experts, top 1, two devices: 3 of 4 tokens go to device 1.
    var accumulator = ProfileAccumulator(experts: 2, topK: 1)
    accumulator.add(layer: 0, topK: [0, 1, 1, 1], weights: [1, 1, 1, 1], documents: [0, 0, 0, 0])
    let layer = accumulator.profile(modelType: nil, data: "").layers[0]
    let traffic = try Traffic(layer, placement: [0, 1], devices: 2, nodes: 1)
    func cost(overlap: Double, replicas: Int = 1) -> LayerCost {
      LayerCost(
        traffic, .init(devices: 2, nodes: 1, replicas: replicas), experts: 2, workload: Self.work,
        topology: Self.machine(perNode: 2, overlap: overlap), exchange: .direct)
    }
    // Device 1 receives 0.75 · 1000 rows of 128 bytes, and computes 1.5 · 1000 rows of 6 · 64 · 32 operations.
    let exchange: Double = 1e-5 + 1e-6 + 96e3 / 1e9
    let compute: Double = (1500 * 12288 + 1000 * 5e5) / 1e12
    let plain = cost(overlap: 0)
    #expect(Self.close(plain.allToAll, exchange) && Self.close(plain.compute, compute))
    #expect(Self.close(plain.forward, compute + 2 * exchange))
    #expect(Self.close(plain.training, 3 * compute + 4 * exchange))
    #expect(Self.close(plain.forwardShare, 2 * exchange / (compute + 2 * exchange)))
    #expect(plain.imbalanceWire == 1.5 && plain.imbalanceRows == 1.5)
    #expect(Self.close(plain.bytes, 1000 * 128 * 0.5))
    let hidden = cost(overlap: 1)
    #expect(hidden.forward == hidden.compute && hidden.forwardShare == 0)
    let partly = cost(overlap: 0.1)
    #expect(Self.close(partly.forward, compute + 2 * exchange - 0.1 * compute))
    // Three replicas on three nodes add their gradients: one expert of 3 · 64 · 32 weights, 2 · 2/3 of it over the slow
    // link.
    let gradients: Double = 2e-5 + 4 * 3e-6 + 12288 * 4 / 3.0 / 1e8
    #expect(Self.close(cost(overlap: 0, replicas: 3).training, 3 * compute + 4 * exchange + gradients))
  }

  @Test func aPlanHasEveryWayToSendAndSharesOfTheWhole() throws {
    let layers = [2, 5].map { clusteredProfile(tokens: 150, experts: 16, topK: 4, groups: 4, seed: 8, layer: $0) }
    let profile = CollaborationProfile(modelType: nil, experts: 16, topK: 4, data: "", layers: layers)
    let machine = Self.machine(perNode: 4, exchange: .hierarchical)
    let sizes = try Plan.sizes(experts: 16, topology: machine, devices: [4, 64], expertParallel: [])
    #expect(
      sizes.map(\.expertParallel) == [4, 16] && sizes.map(\.replicas) == [1, 4] && sizes.map(\.nodes) == [1, 4])
    var asked: [[Int]] = []
    let plan = try Plan(profile, topology: machine, workload: Self.work, sizes: sizes, limits: [1, 2, 4, 8]) {
      asked.append([$0, $1])
      return layers.map { _ in PlacementMethod.contiguous(experts: 16, devices: asked.last?[0] ?? 1) }
    }
    #expect(asked == [[4, 1], [16, 4]] && plan.layers == [2, 5])
    // L = 4 changes nothing on 4 devices; on 16 devices, L < 4 leaves fewer than k experts.
    #expect(
      plan.rows.map(\.dispatch).map(\.rawValue) == [
        "naive", "deduplicated", "placed", "limited", "limited", "naive", "deduplicated", "placed", "limited",
        "limited",
      ])
    #expect(plan.rows.map(\.deviceLimit) == [nil, nil, nil, 1, 2, nil, nil, nil, 4, 8])
    for row in plan.rows {
      let total = row.layers.reduce(0) { $0 + $1.training } / 2
      #expect(Self.close(row.mean.training, total))
      let gradients = row.size.replicas > 1 ? 2e-5 + 6 * 3e-6 + 12288 * 1.5 / 1e8 : 0
      let allToAll = row.mean.training - 3 * row.mean.compute - gradients
      #expect(Self.close(row.mean.trainingShare, allToAll / row.mean.training, 1e-9))
      #expect(row.mean.copies <= 4 && row.mean.bytes > 0)
    }
    #expect(plan.rows[0].expertBytes == 12288 * 4 * 2 && plan.rows[9].expertBytes == 12288 * 2)
  }

  @Test func sizesReachAThousandDevices() throws {
    let machine = Self.machine(perNode: 8)
    let sizes = try Plan.sizes(experts: 256, topology: machine)
    #expect(sizes.map(\.devices) == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024])
    #expect(sizes.last?.expertParallel == 256 && sizes.last?.replicas == 4 && sizes.last?.nodes == 32)
    // 60 experts: 8 does not divide them.
    #expect(try Plan.sizes(experts: 60, topology: machine, devices: [8]).first?.expertParallel == 4)
    let both = try Plan.sizes(experts: 64, topology: machine, devices: [8, 16], expertParallel: [8, 16])
    #expect(both.map { [$0.devices, $0.expertParallel] } == [[8, 8], [16, 8], [16, 16]])
    #expect(try Plan.sizes(experts: 64, topology: machine, expertParallel: [4]).map(\.devices) == [4])
  }

  @Test(arguments: [
    (
      [12], [], true,
      "--devices: expected a divisor of the 8 devices of a node, or whole nodes of 'test', found 12"
    ),
    ([16], [], false, "--devices: expected a divisor of the 8 devices of a node ('test' has one node), found 16"),
    ([0], [], true, "--devices: expected a divisor of the 8 devices of a node, or whole nodes of 'test', found 0"),
    ([8], [16], true, "--devices: expected a multiple of an expert-parallel size (16), found 8"),
    (
      [], [5], true,
      "--expert-parallel: expected divisors of 96 experts, found 5; more devices become data-parallel replicas by --devices"
    ),
    (
      [], [12], true,
      "--expert-parallel: expected a divisor of the 8 devices of a node or whole nodes of 'test', found 12"
    ),
  ])
  func sizesThatCannotBeAreRefused(devices: [Int], expertParallel: [Int], hasNodes: Bool, message: String) {
    let error = #expect(throws: PlanError.self) {
      _ = try Plan.sizes(
        experts: 96, topology: Self.machine(perNode: 8, between: hasNodes ? Self.slow : nil), devices: devices,
        expertParallel: expertParallel)
    }
    #expect(error?.description == message)
  }
}
