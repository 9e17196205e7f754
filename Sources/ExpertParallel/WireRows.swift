internal import Tensors

/// Rows of `[T, H]` on their way: copied for each destination, rounded where the wire is narrow, and back.
///
/// What stays here is neither rounded nor sent.
struct WireRows {
  private let communicator: any Communicator
  private let plan: DispatchPlan
  private let hidden: Int
  private let wire: DispatchOptions.Wire
  private let rank: Int
  /// SFD, `[rows, H]` by destination.
  private let rows: Storage
  /// The same as it travels.
  private let travelling: Storage

  /// Copies the rows of `source`, `[T, H]`, that the plan sends.
  init(_ product: ShardedProduct, gathering source: Storage) {
    (communicator, plan, hidden) = (product.communicator, product.plan, product.hidden)
    (wire, rank) = (product.options.wire, product.communicator.rank)
    rows =
      Tensor(source, [source.count / max(product.hidden, 1), product.hidden]).gatherRows(product.plan.rowTokens)
      .storage
    travelling = wire == .bfloat16 ? Kernels.bfloat16(rows) : rows
  }

  private var rowBytes: Int { hidden * wire.byteCount }

  /// A part's rows under way to this rank.
  struct Trip {
    fileprivate let pending: any PendingExchange
    fileprivate let wires: WireRows
    /// As they travel, by source.
    fileprivate let arriving: Storage
    /// Where the rows of this rank itself belong.
    fileprivate let own: Int?

    /// Waits for them: `[rows, H]` in the order of sources.
    func arrived() -> Storage {
      pending.wait()
      if wires.wire == .float32 { return arriving }
      let rows = Kernels.float32(arriving)
      if let own { wires.copyOwn(into: rows, at: own) }
      return rows
    }
  }

  /// Sends a part's rows to its destinations and receives those of its sources.
  func dispatch(_ part: Range<Int>, rowsFrom: [Int], _ kind: WireTraffic.Kind) -> Trip {
    let size = communicator.size
    let sources = part.map { (rank + size - $0) % size }.sorted()
    let arriving = Storage(sources.reduce(0) { $0 + rowsFrom[$1] } * hidden, dtype: travelling.dtype)
    var outgoing = [UnsafeRawBufferPointer](repeating: .init(start: nil, count: 0), count: size)
    var incoming = [UnsafeMutableRawBufferPointer](repeating: .init(start: nil, count: 0), count: size)
    for step in part { outgoing[(rank + step) % size] = section(of: travelling, device: (rank + step) % size) }
    var (start, own): (Int, Int?) = (0, nil)
    for source in sources {
      if source == rank { own = start }
      incoming[source] = .init(start: arriving.address + start * rowBytes, count: rowsFrom[source] * rowBytes)
      start += rowsFrom[source]
    }
    let pending = communicator.exchange(outgoing, into: incoming, kind)
    return Trip(pending: pending, wires: self, arriving: arriving, own: own)
  }

  private func section(of rows: Storage, device: Int) -> UnsafeRawBufferPointer {
    let range = plan.rowOffsets[device]..<plan.rowOffsets[device + 1]
    return .init(start: rows.address + range.lowerBound * rowBytes, count: range.count * rowBytes)
  }

  /// This rank's rows for its own experts, as they were before rounding.
  private func copyOwn(into target: Storage, at row: Int) {
    let range = plan.rowOffsets[rank]..<plan.rowOffsets[rank + 1]
    (target.floats + row * hidden).update(from: rows.floats + range.lowerBound * hidden, count: range.count * hidden)
  }

  /// Outputs under way back.
  struct Return {
    fileprivate let pending: any PendingExchange
    fileprivate let finish: () -> Void

    /// Waits for them; they are where they belong then.
    func arrived() {
      pending.wait()
      finish()
    }
  }

  /// Sends the outputs of a part's rows back and receives those of the rows that this rank sent, into `outputs`,
  /// `[rows, H]`.
  func combine(
    _ part: Range<Int>, _ received: ReceivedRows, _ y: Storage, into outputs: Storage, _ kind: WireTraffic.Kind
  ) -> Return {
    let size = communicator.size
    let leaving = wire == .bfloat16 ? Kernels.bfloat16(y) : y
    var outgoing = [UnsafeRawBufferPointer](repeating: .init(start: nil, count: 0), count: size)
    var incoming = [UnsafeMutableRawBufferPointer](repeating: .init(start: nil, count: 0), count: size)
    var (start, own) = (0, 0)
    for source in received.sources {
      if source.rank == rank { own = start }
      outgoing[source.rank] = .init(start: leaving.address + start * rowBytes, count: source.rows * rowBytes)
      start += source.rows
    }
    let destinations = part.map { (rank + $0) % size }
    let arriving = wire == .bfloat16 ? Storage(outputs.count, dtype: .bfloat16) : outputs
    for device in destinations {
      incoming[device] = UnsafeMutableRawBufferPointer(mutating: section(of: arriving, device: device))
    }
    let pending = communicator.exchange(outgoing, into: incoming, kind)
    return Return(pending: pending) { [plan, hidden, wire, rank] in
      defer { withExtendedLifetime((leaving, arriving, y)) {} }
      guard wire == .bfloat16 else { return }
      let wide = Kernels.float32(arriving)
      for device in destinations {
        let range = plan.rowOffsets[device]..<plan.rowOffsets[device + 1]
        let source = device == rank ? y.floats + own * hidden : wide.floats + range.lowerBound * hidden
        (outputs.floats + range.lowerBound * hidden).update(from: source, count: range.count * hidden)
      }
      withExtendedLifetime(wide) {}
    }
  }
}
