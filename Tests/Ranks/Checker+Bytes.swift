import Placements
import Routing
import ExpertParallel
import Models

/// What tokens send in one layer and direction, level by level, from the routing of the whole batch alone.
private struct ExpectedRows {
  /// Rows, and experts named with them: inside nodes, and between them.
  var inside = (rows: 0, entries: 0), between = (rows: 0, entries: 0)

  init(_ routing: LayerRouting, _ expertDevice: [Int], homes: [Int], _ options: DispatchOptions, devices: Int) {
    let size = devices / options.nodes
    for (token, home) in homes.enumerated() {
      let used = routing.used[token * routing.k..<(token + 1) * routing.k].filter { $0 >= 0 }
        .map { expertDevice[Int($0)] }
      if options.mode == .naive {
        let away = used.filter { $0 != home }.count
        inside = (inside.rows + away, inside.entries + away)
        continue
      }
      for node in Set(used.map { $0 / size }) {
        let here = used.filter { $0 / size == node }
        // The device there with the sender's own number inside its node.
        let relay = node * size + home % size
        if relay != home { between = (between.rows + 1, between.entries + here.count) }
        let onward = here.filter { $0 != relay }
        inside = (inside.rows + Set(onward).count, inside.entries + onward.count)
      }
    }
  }
}

extension Checker {
  /// Bytes passed to MPI that are not those of the formula, over layers, directions, purposes and levels:
  ///
  ///     rows       copies · H · size of an element
  ///     metadata   dispatch: 6 · entries + copies + 8 · ranks · (ranks of the level − 1) · parts,   combine gradient: 4 · entries
  ///
  /// and copies that the counter of virtual devices counts otherwise.
  func byteErrors(
    _ test: Case, _ placement: Placement, _ pass: ForwardPass, _ tokens: [[Int32]], _ sent: WireTraffic
  ) -> Double {
    let (devices, options) = (communicator.size, test.options)
    let homes = tokens.enumerated().flatMap { index, sequence in sequence.map { _ in index % devices } }
    let size = subject.configuration.hidden * (options.wire == .bfloat16 ? 2 : 4)
    let (nodes, perNode) = (options.nodes, devices / options.nodes)
    let first = communicator.rank / perNode * perNode
    // Passes inside nodes are run once for each part of the pass between them.
    let parts = nodes == 1 || !options.overlaps ? 1 : min(nodes, 3)
    var errors = 0
    for routing in pass.routing {
      guard let expertDevice = try? placement.expertDevice(layer: routing.layer) else { return .nan }
      let rows = ExpectedRows(routing, expertDevice, homes: homes, options, devices: devices)
      func check(_ direction: WireTraffic.Direction, _ purpose: WireTraffic.Purpose, inside: Int, between: Int) {
        let kind = WireTraffic.Kind(layer: routing.layer, direction: direction, purpose: purpose)
        let all = sent.total { $0 == kind }
        let near = sent.total(to: first..<first + perNode) { $0 == kind }
        let sums = communicator.sum([near, all - near])
        errors += abs(sums[0] - inside) + abs(sums[1] - between)
      }
      for direction in WireTraffic.Direction.allCases where direction != .none {
        check(direction, .rows, inside: rows.inside.rows * size, between: rows.between.rows * size)
      }
      check(
        .dispatch, .metadata,
        inside: 6 * rows.inside.entries + rows.inside.rows + 8 * devices * (perNode - 1) * parts,
        between: 6 * rows.between.entries + rows.between.rows + 8 * devices * (nodes - 1))
      check(.combineGradient, .metadata, inside: 4 * rows.inside.entries, between: 4 * rows.between.entries)
      check(.combine, .metadata, inside: 0, between: 0)
      check(.dispatchGradient, .metadata, inside: 0, between: 0)
      if options.mode == .naive { continue }

      var counter = CommunicationCounter(
        devices: devices, topK: routing.k, placements: [expertDevice], home: .known, nodes: nodes)
      counter.add(layer: 0, chosen: routing.chosen, used: routing.used, homes: homes.map(Int32.init))
      let tally = counter.step[0]
      errors += abs(tally.betweenRows - rows.between.rows) + abs(tally.insideRows - rows.inside.rows)
      errors += abs(tally.receivedPerDevice.reduce(0, +) - rows.between.rows - rows.inside.rows)
    }
    return Double(errors)
  }
}
