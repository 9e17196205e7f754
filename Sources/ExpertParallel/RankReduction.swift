public import Models
public import Tensors

/// Sums over ranks, each of which holds a part of the batch.
public struct RankReduction: BatchReduction {
  /// The ranks.
  public let communicator: any Communicator

  /// Sums over the ranks of `communicator`.
  public init(_ communicator: any Communicator) { self.communicator = communicator }

  /// Σ over ranks, in their order.
  public func sum(_ values: [Double]) -> [Double] { communicator.sum(values) }
}

extension Communicator {
  /// Σ over ranks of a tensor, the same bits on every rank and in every run.
  ///
  /// Each rank adds up one part of the elements, in the order of ranks, and hands the sums round: 2·(D−1)/D of the
  /// tensor leaves every rank, as in a ring.
  ///
  /// - Parameters:
  ///   - tensor: Of the same shape on all ranks.
  ///   - kind: What it is.
  /// - Returns: The sum.
  public func sum(_ tensor: Tensor, _ kind: WireTraffic.Kind = .init(purpose: .gradients)) -> Tensor {
    if size == 1 { return tensor }
    let source = tensor.detached()
    let count = source.count
    func part(_ rank: Int) -> Range<Int> { count * rank / size..<count * (rank + 1) / size }
    let mine = part(rank)
    let parts = Storage(mine.count * size)
    let sums = Storage(count)
    let stride = MemoryLayout<Float>.stride
    source.withBytes { bytes in
      exchange(
        (0..<size).map {
          UnsafeRawBufferPointer(rebasing: bytes[part($0).lowerBound * stride..<part($0).upperBound * stride])
        },
        into: (0..<size).map {
          .init(start: parts.address + $0 * mine.count * stride, count: mine.count * stride)
        }, kind
      ).wait()
    }
    Parallel.blocks(mine.count, grain: 16_384) { range in
      for index in range {
        var sum = parts.floats[index]
        for rank in 1..<size { sum += parts.floats[rank * mine.count + index] }
        sums.floats[mine.lowerBound + index] = sum
      }
    }
    let own = UnsafeRawBufferPointer(start: sums.address + mine.lowerBound * stride, count: mine.count * stride)
    exchange(
      (0..<size).map { _ in own },
      into: (0..<size).map { rank in
        // One's own part is there already; it is copied onto itself nowhere.
        rank == self.rank
          ? .init(start: parts.address, count: mine.count * stride)
          : .init(start: sums.address + part(rank).lowerBound * stride, count: part(rank).count * stride)
      }, kind
    ).wait()
    withExtendedLifetime(parts) {}
    return Tensor(sums, tensor.shape)
  }
}
