public import Tensors

/// Which parameters of a model carry low-rank adapters, and of what rank.
///
///     W + α/r · B · A,   A [r, in], B [out, r]; the weight W stays as it is
///
/// - Source: Hu et al. 2022, eq. 3.
public struct AdapterSettings: Sendable, Equatable {
  /// Size and scale of the adapters of a role.
  public struct LowRank: Sendable, Equatable {
    /// r
    public var rank: Int
    /// α
    public var alpha: Double

    /// Adapters of rank r, scaled by α / r.
    public init(rank: Int, alpha: Double) { (self.rank, self.alpha) = (rank, alpha) }

    /// Largest α that is read: float32 has room for what it scales.
    public static let mostAlpha = 1e6

    /// s = α / r
    public var scale: Float { Float(alpha / Double(rank)) }
  }

  /// Adapted roles.
  public var roles: [Role: LowRank]
  /// Adapted experts of a stack, ascending, by its path such as `model.layers.0.mlp.experts`; all where it is not
  /// named.
  public var experts: [String: [Int]]

  /// Adapters on whole roles, and on some of a layer's experts where `experts` names them.
  public init(roles: [Role: LowRank], experts: [String: [Int]] = [:]) {
    (self.roles, self.experts) = (roles, experts)
  }

  /// Adapted experts of a stack of `count`.
  public func experts(of stack: String, count: Int) -> [Int] { experts[stack] ?? Array(0..<count) }

  /// Paths and shapes of A and B for a parameter; nil where it carries no adapter.
  ///
  /// Matrices named `….weight` have factors `[r, in]` and `[out, r]` beside them; stacked weights `[E, out, in]` have
  /// `[n, r, in]` and `[n, out, r]` under their own name.
  ///
  /// - Parameters:
  ///   - path: The parameter.
  ///   - shape: Its shape.
  /// - Returns: What `visit` names beside it.
  public func factors(
    of path: ParameterPath, shape: [Int]
  ) -> (a: (path: ParameterPath, shape: [Int]), b: (path: ParameterPath, shape: [Int]))? {
    guard let rank = roles[path.role]?.rank, !path.isAdapter, let host = path.host(shape: shape) else { return nil }
    let (a, b) = (host[ParameterPath.factorA], host[ParameterPath.factorB])
    if shape.count == 2 { return ((a, [rank, shape[1]]), (b, [shape[0], rank])) }
    let n = experts(of: path.parent.name, count: shape[0]).count
    return ((a, [n, rank, shape[2]]), (b, [n, shape[1], rank]))
  }

  /// Paths and shapes of all adapter parameters over a model's own, in their order.
  public func parameters(over base: [(path: ParameterPath, shape: [Int])]) -> [(path: ParameterPath, shape: [Int])] {
    base.flatMap { path, shape in factors(of: path, shape: shape).map { [$0.a, $0.b] } ?? [] }
  }

  /// `α/r · B · A`, what an adapter adds to one matrix.
  ///
  /// - Parameters:
  ///   - role: Role of the adapted parameter.
  ///   - a: A, `[r, in]` or stacked.
  ///   - b: B, `[out, r]` or stacked.
  ///   - index: Number of the factors in a stack.
  /// - Returns: `[out, in]` in float32.
  public func increment(_ role: Role, a: Tensor, b: Tensor, index: Int = 0) -> Tensor {
    guard let size = roles[role] else { preconditionFailure("AdapterSettings: \(role) carries no adapters") }
    let out = b.shape[b.shape.count - 2]
    func matrix(_ stack: Tensor, _ rows: Int) -> Tensor {
      stack.detached().reshaped([stack.rows, stack.columns])
        .gatherRows((index * rows..<(index + 1) * rows).map(Int32.init))
    }
    return matrix(b, out).matMul(matrix(a, size.rank)) * size.scale
  }
}

extension ParameterPath {
  /// Last part of the path of A.
  static let factorA = "lora_A"
  /// Last part of the path of B.
  static let factorB = "lora_B"

  /// Whether this is a factor of a low-rank adapter rather than a parameter of the model's own.
  public var isAdapter: Bool { name.hasSuffix("." + Self.factorA) || name.hasSuffix("." + Self.factorB) }

  /// The path without its last part.
  public var parent: ParameterPath {
    ParameterPath(name.lastIndex(of: ".").map { String(name[..<$0]) } ?? "", role: role)
  }

  /// What adapters of a parameter are named under: the layer of a matrix, the stack itself; nil for vectors.
  func host(shape: [Int]) -> ParameterPath? {
    switch shape.count {
    case 2: name.hasSuffix(".weight") ? parent : nil
    case 3: self
    default: nil
    }
  }
}

extension AdapterSettings {
  /// `attention of rank 16, alpha 32 (2097152 parameters)`, role by role.
  ///
  /// - Parameter configuration: The model that is adapted.
  /// - Returns: One line.
  public func words(_ configuration: ModelConfiguration) -> String {
    let factors = parameters(over: ModelFamily.parameters(configuration))
    return Role.allCases.compactMap { role in
      roles[role].map { size in
        let count = factors.filter { $0.path.role == role }.reduce(0) { $0 + $1.shape.reduce(1, *) }
        return "\(role.rawValue) of rank \(size.rank), alpha \(size.alpha) (\(count) parameters)"
      }
    }.joined(separator: ", ")
  }
}
