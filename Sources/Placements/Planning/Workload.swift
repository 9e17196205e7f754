/// What every device works on in a step, as far as its time depends on it.
public struct Workload: Sendable, Equatable, Encodable {
  /// Tokens of a device in a step.
  public let tokens: Int
  /// H.
  public let hidden: Int
  /// I, of one expert.
  public let intermediate: Int
  /// Bytes of an element on the wire and of a weight.
  public let bytesPerElement: Int
  /// Operations per token and layer outside the routed experts, forward.
  public let denseFlops: Double

  enum CodingKeys: String, CodingKey {
    case tokens, hidden, intermediate
    case bytesPerElement = "bytes_per_element"
    case denseFlops = "dense_flops"
  }

  /// A workload.
  ///
  /// - Parameters:
  ///   - tokens: of a device in a step.
  ///   - hidden: H.
  ///   - intermediate: I.
  ///   - bytesPerElement: 2 for bfloat16.
  ///   - denseFlops: per token and layer outside the routed experts; `nil` for four H × H projections, 8·H².
  public init(tokens: Int, hidden: Int, intermediate: Int, bytesPerElement: Int = 2, denseFlops: Double? = nil) {
    precondition(
      tokens > 0 && hidden > 0 && intermediate > 0 && bytesPerElement > 0, "Workload: a size is not above 0")
    self.tokens = tokens
    self.hidden = hidden
    self.intermediate = intermediate
    self.bytesPerElement = bytesPerElement
    self.denseFlops = denseFlops ?? 8 * Double(hidden) * Double(hidden)
  }

  /// Bytes of one row on the wire; expert ids and weights are not in it.
  var rowBytes: Double { Double(hidden * bytesPerElement) }
  /// Operations of one expert on one row: gate, up and down, 2·H·I each.
  var expertFlops: Double { 6 * Double(hidden) * Double(intermediate) }
  /// Bytes of one expert.
  var expertBytes: Double { 3 * Double(hidden) * Double(intermediate) * Double(bytesPerElement) }
}
