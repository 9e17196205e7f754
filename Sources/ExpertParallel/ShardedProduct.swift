internal import Tensors

/// One pass of a layer's tokens through experts on all ranks, forward and backward.
///
/// Ranks exchange in a ring: in step s, rank r sends to r + s and receives from r − s. Steps are grouped into *parts*;
/// each part's rows are worked on in one product. Without overlap there is one part. With it, the rows that are here
/// (step 0) are worked on while the others travel, and the outputs of one part travel while the next is worked on;
/// every expert that is done lets them move on.
///
/// With two levels, the work on a part's rows is such a pass itself, among the ranks of the next level.
struct ShardedProduct: Sendable {
  /// The ranks of this pass, and those of the passes inside it.
  let levels: [DispatchLevel]
  let layer: Int
  let options: DispatchOptions
  let plan: DispatchPlan
  /// H
  let hidden: Int
  /// `[T, H]`
  let x: Storage
  /// `[T, k]`
  let weights: Storage
  /// `[E here, 2I, H]`
  let gateUp: Tensor
  /// `[E here, H, I]`
  let down: Tensor
  let adapters: (gateUp: ExpertLowRank, down: ExpertLowRank)?

  /// What one part keeps for the backward pass.
  struct KeptPart: Sendable {
    let received: ReceivedRows
    let work: Work
  }

  /// What is done with the rows of a part, `[rows, H]`.
  enum Work: Sendable {
    /// Experts of this rank.
    case experts(ExpertProduct, activations: Storage)
    /// Ranks of the next level.
    case spread(ShardedProduct, [KeptPart])
  }

  var communicator: any Communicator { levels[0].communicator }
  private var tokens: Int { x.count / max(hidden, 1) }

  /// Steps of the ring, grouped.
  private var parts: [Range<Int>] {
    let size = communicator.size
    if !options.overlaps || size == 1 { return [0..<size] }
    let middle = 1 + (size - 1 + 1) / 2
    return [0..<1, 1..<middle, middle..<size].filter { !$0.isEmpty }
  }

  private func sources(_ part: Range<Int>) -> [Int] {
    part.map { (communicator.rank + communicator.size - $0) % communicator.size }.sorted()
  }

  private func destinations(_ part: Range<Int>) -> [Int] {
    part.map { (communicator.rank + $0) % communicator.size }.sorted()
  }

  private func kind(_ direction: WireTraffic.Direction, _ purpose: WireTraffic.Purpose) -> WireTraffic.Kind {
    WireTraffic.Kind(layer: layer, direction: direction, purpose: purpose)
  }

  // MARK: Forward

  /// y, `[T, H]`, and on request what the backward pass needs.
  func forward(keepingActivations: Bool) -> (y: Storage, kept: [KeptPart]?) {
    let (counts, metadata) = exchangeMetadata()
    let wires = WireRows(self, gathering: x)
    let trips = parts.map { part in
      wires.dispatch(part, rowsFrom: counts.map(\.rows), kind(.dispatch, .rows))
    }
    var kept: [KeptPart] = []
    var returns: [WireRows.Return] = []
    let outputs = Storage(plan.rows * hidden)
    for (part, trip) in zip(parts, trips) {
      let received = ReceivedRows(
        sources(part).map { ($0, counts[$0].rows, counts[$0].entries) }, metadata: metadata)
      let (y, work) = work(on: trip.arrived(), received, keepingActivations: keepingActivations)
      returns.append(wires.combine(part, received, y, into: outputs, kind(.combine, .rows)))
      if let work { kept.append(KeptPart(received: received, work: work)) }
    }
    for item in returns { item.arrived() }
    return (merged(outputs), keepingActivations ? kept : nil)
  }

  /// Numbers of rows and entries from every rank, then weights and experts of the rows.
  private func exchangeMetadata() -> (counts: [(rows: Int, entries: Int)], metadata: ByteSections) {
    let size = communicator.size
    let mine = (0..<size).map { device in
      [
        Int32(plan.rowOffsets[device + 1] - plan.rowOffsets[device]),
        Int32(plan.slotRange(of: device).count),
      ]
    }
    let counts = communicator.exchange(mine, kind(.dispatch, .metadata)).map { (rows: Int($0[0]), entries: Int($0[1])) }
    let outgoing = ByteSections(mine.map { RowMetadata.byteCount(rows: Int($0[0]), entries: Int($0[1])) })
    let incoming = ByteSections(counts.map { RowMetadata.byteCount(rows: $0.rows, entries: $0.entries) })
    for device in 0..<size { RowMetadata.write(plan, device: device, weights: weights.floats, into: outgoing[device]) }
    communicator.exchange(outgoing.all, into: incoming.room, kind(.dispatch, .metadata)).wait()
    withExtendedLifetime((outgoing, weights)) {}
    return (counts, incoming)
  }

  /// Outputs of a part's rows, weighted and summed by row, and on request what their backward pass needs.
  private func work(
    on rows: Storage, _ received: ReceivedRows, keepingActivations: Bool
  ) -> (y: Storage, work: Work?) {
    if levels.count > 1 {
      let plan = DispatchPlan(
        used: received.chosen, topK: received.width, expertDevice: levels[1].expertRank,
        devices: levels[1].communicator.size)
      let inside = ShardedProduct(
        levels: Array(levels.dropFirst()), layer: layer, options: options, plan: plan, hidden: hidden, x: rows,
        weights: received.weights, gateUp: gateUp, down: down, adapters: adapters)
      let (y, kept) = inside.forward(keepingActivations: keepingActivations)
      return (y, kept.map { .spread(inside, $0) })
    }
    let product = ExpertProduct(
      assignment: ExpertAssignment(received.chosen, k: received.width, experts: gateUp.shape[0]), hidden: hidden,
      intermediate: down.shape[2], x: rows, weights: received.weights, gateUp: gateUp.storage, down: down.storage,
      adapters: adapters.map { ($0.gateUp.factors(over: gateUp), $0.down.factors(over: down)) },
      afterExpert: options.overlaps && communicator.size > 1 ? communicator.progress : nil)
    let (y, activations) = product.forward(keepingActivations: keepingActivations)
    return (y, activations.map { .experts(product, activations: $0) })
  }

  /// Σ of a token's rows, in the order of devices.
  private func merged(_ rows: Storage) -> Storage {
    let out = Storage(tokens * hidden)
    Kernels.combine(
      rows, plan.table, weights: nil, into: out, tokens: tokens, k: plan.width, columns: hidden)
    return out
  }

  // MARK: Backward

  /// Gradients of x, weights, gate_up, down and the factors of the adapters; nil where not wanted. Those of the
  /// parameters are added to `sums` where there are any.
  func backward(
    dy: Storage, _ kept: [KeptPart], wanted: [Bool], adding earlier: [Storage?]? = nil
  ) -> [Storage?] {
    let wires = WireRows(self, gathering: dy)
    let rowsFrom = (0..<communicator.size).map { source in
      kept.lazy.compactMap { part in part.received.sources.first { $0.rank == source }?.rows }.first ?? 0
    }
    let trips = parts.map { wires.dispatch($0, rowsFrom: rowsFrom, kind(.dispatchGradient, .rows)) }
    let inputGradients = wanted[0] ? Storage(plan.rows * hidden) : nil
    var returns: [WireRows.Return] = []
    var sums = earlier
    var weightGradients: [(part: Range<Int>, received: ReceivedRows, gradients: Storage)] = []
    for (index, part) in parts.enumerated() {
      let (received, arrived) = (kept[index].received, trips[index].arrived())
      let gradients =
        switch kept[index].work {
        case .experts(let product, let activations):
          product.backward(dy: arrived, activations: activations, wanted: wanted, adding: sums)
        case .spread(let inside, let parts):
          inside.backward(dy: arrived, parts, wanted: wanted, adding: sums)
        }
      sums = Array(gradients.dropFirst(2))
      if let dx = gradients[0], let inputGradients {
        returns.append(wires.combine(part, received, dx, into: inputGradients, kind(.combineGradient, .rows)))
      }
      if let dw = gradients[1] { weightGradients.append((part, received, dw)) }
    }
    for item in returns { item.arrived() }
    let dx = inputGradients.map(merged)
    let dw = wanted[1] ? returned(weightGradients) : nil
    return [dx, dw] + (sums ?? [])
  }

  /// The gradients of this rank's weights, `[T, k]`, from the ranks that used them.
  private func returned(_ parts: [(part: Range<Int>, received: ReceivedRows, gradients: Storage)]) -> Storage {
    let size = communicator.size
    var entries = [Int](repeating: 0, count: size)
    for (_, received, _) in parts { for source in received.sources { entries[source.rank] = source.entries } }
    let outgoing = ByteSections(entries.map { $0 * 4 })
    let incoming = ByteSections((0..<size).map { plan.slotRange(of: $0).count * 4 })
    for (_, received, gradients) in parts {
      for (index, source) in received.sources.enumerated() {
        received.writeWeightGradients(gradients, source: index, into: outgoing[source.rank])
      }
    }
    communicator.exchange(outgoing.all, into: incoming.room, kind(.combineGradient, .metadata)).wait()
    let out = Storage.zeros(weights.count)
    for device in 0..<size {
      let section = incoming[device]
      for (place, slot) in plan.slotRange(of: device).enumerated() {
        out.floats[Int(plan.slots[slot])] = section.loadUnaligned(fromByteOffset: place * 4, as: Float.self)
      }
    }
    withExtendedLifetime((outgoing, incoming)) {}
    return out
  }
}
