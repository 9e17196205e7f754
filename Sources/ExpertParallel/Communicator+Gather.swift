public import Tensors

extension Communicator {
  /// Puts the entries of a stack together on rank 0.
  ///
  /// - Parameters:
  ///   - part: This rank's entries, `[n, …]`.
  ///   - places: For each rank, where its entries belong in the whole.
  ///   - kind: What they are.
  /// - Returns: The whole on rank 0; on others what they gave.
  public func gather(_ part: Tensor, places: [[Int]], _ kind: WireTraffic.Kind = .init(purpose: .parameters)) -> Tensor
  {
    if size == 1 { return part }
    let count = places.reduce(0) { $0 + $1.count }
    // Not from the count: a rank may have no entry at all.
    let row = part.shape.dropFirst().reduce(1, *)
    let bytes = row * part.dtype.byteCount
    let isRoot = rank == 0
    let arriving = Storage(isRoot ? count * row : 0, dtype: part.dtype)
    let source = part.detached()
    source.withBytes { own in
      var outgoing = [UnsafeRawBufferPointer](repeating: .init(start: nil, count: 0), count: size)
      outgoing[0] = own
      var start = 0
      let incoming = places.map { places -> UnsafeMutableRawBufferPointer in
        if !isRoot { return .init(start: nil, count: 0) }
        defer { start += places.count }
        return .init(start: arriving.address + start * bytes, count: places.count * bytes)
      }
      exchange(outgoing, into: incoming, kind).wait()
    }
    guard isRoot else { return part }
    let whole = Storage(count * row, dtype: part.dtype)
    for (index, place) in places.joined().enumerated() {
      (whole.address + place * bytes).copyMemory(from: arriving.address + index * bytes, byteCount: bytes)
    }
    withExtendedLifetime(arriving) {}
    return Tensor(whole, [count] + part.shape.dropFirst())
  }

  /// Texts of all items of a list, each of which one rank knows.
  ///
  /// - Parameters:
  ///   - own: A text where this rank knows one, else nil.
  ///   - kind: What they are.
  /// - Returns: The texts of all ranks, on each; nil where none knows one.
  public func gather(_ own: [String?], _ kind: WireTraffic.Kind = .init(purpose: .scalars)) -> [String?] {
    if size == 1 { return own }
    let bytes = own.map { Array(($0 ?? "").utf8) }
    // Nobody else has anything in a place: sums are what its owner has.
    let lengths = sum(zip(own, bytes).map { $0 == nil ? 0 : $1.count + 1 }, kind)
    let all = sum(zip(lengths, bytes).flatMap { $1 + Array(repeating: 0, count: max($0 - 1 - $1.count, 0)) }, kind)
    var start = 0
    return lengths.map { length in
      if length == 0 { return nil }
      defer { start += length - 1 }
      return String(decoding: all[start..<start + length - 1], as: UTF8.self)
    }
  }

  /// Hands bytes of rank 0 to all.
  ///
  /// - Parameters:
  ///   - bytes: On rank 0 what is sent; elsewhere ignored.
  ///   - kind: What it is.
  /// - Returns: The bytes of rank 0.
  public func broadcast(_ bytes: [UInt8], _ kind: WireTraffic.Kind = .init(purpose: .scalars)) -> [UInt8] {
    if size == 1 { return bytes }
    let count = sum([rank == 0 ? bytes.count : 0], kind)[0]
    return [UInt8](unsafeUninitializedCapacity: count) { target, filled in
      bytes.withUnsafeBytes { source in
        let empty = UnsafeRawBufferPointer(start: nil, count: 0)
        let room = UnsafeMutableRawBufferPointer(target)
        exchange(
          (0..<size).map { _ in rank == 0 ? source : empty },
          into: (0..<size).map { $0 == 0 ? .init(start: room.baseAddress, count: count) : .init(start: nil, count: 0) },
          kind
        ).wait()
      }
      filled = count
    }
  }
}
