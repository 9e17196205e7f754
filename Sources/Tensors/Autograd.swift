/// One step of the computation: its tracked inputs, each with the rule that leads a gradient back.
///
/// All `let`: the compiler proves `Sendable`, and a graph can be walked more than once.
package final class Node: Sendable {
  package let edges: [Edge]
  /// Longest way to a leaf: every consumer lies higher, so falling depth is a topological order.
  let depth: Int

  init(edges: [Edge]) {
    self.edges = edges
    depth = edges.reduce(0) { max($0, $1.depth + 1) }
  }
}

/// A rule `dy → dx` and the inputs it leads to: mostly one; several where their gradients share work.
package struct Edge: Sendable {
  /// Inputs of the rule; `nil` where an input is not tracked, and the rule need not compute its gradient.
  let inputs: [(node: Node, shape: [Int])?]
  /// From the gradient of the result to one gradient per entry of `inputs`, in that order.
  let rule: @Sendable (Tensor) -> [Tensor?]

  var depth: Int { inputs.reduce(0) { max($0, $1?.node.depth ?? 0) } }
}

extension Tensor {
  /// The edge that leads to this tensor; `nil`, without cost, when it is not tracked.
  package func gradient(_ rule: @escaping @Sendable (Tensor) -> Tensor) -> Edge? {
    node.map { node in Edge(inputs: [(node, shape)]) { [rule($0)] } }
  }

  /// One edge to several inputs whose gradients share work; `nil` when none is tracked.
  ///
  /// - Parameters:
  ///   - inputs: The inputs in the order of the rule's results.
  ///   - rule: From the gradient of the result to the inputs' gradients; `nil` where an input is not tracked.
  /// - Returns: The edge for ``op(_:_:_:)``.
  package static func jointGradient(
    _ inputs: [Tensor], _ rule: @escaping @Sendable (Tensor) -> [Tensor?]
  ) -> Edge? {
    guard inputs.contains(where: \.isTracked) else { return nil }
    return Edge(inputs: inputs.map { input in input.node.map { ($0, input.shape) } }, rule: rule)
  }

  /// The result of an op: part of the graph if one of its inputs is.
  package static func op(_ storage: Storage, _ shape: [Int], _ edges: Edge?...) -> Tensor {
    let edges = edges.compactMap(\.self)
    return Tensor(storage, shape, node: edges.isEmpty ? nil : Node(edges: edges))
  }

  /// Gradients of this scalar with respect to every tracked leaf that it depends on.
  ///
  ///     d self / d leaf,  seeded with d self / d self = seed
  ///
  /// - Parameter seed: Factor of all gradients, such as 1 / tokens of an accumulated batch.
  /// - Returns: One gradient a leaf, of the leaf's shape.
  public func gradients(seed: Float = 1) -> Gradients {
    precondition(count == 1, "gradients: expected a scalar, found shape \(shape)")
    guard let node else { return Gradients() }
    return Gradients(of: node, seed: Tensor([seed], shape: shape))
  }
}

/// Gradients by leaf: `gradients[weight]`.
public struct Gradients: Sendable {
  /// With its leaf, which it keeps alive: the address of a leaf that is gone could become another leaf's.
  private var byLeaf: [ObjectIdentifier: (leaf: Node, sum: Tensor?)] = [:]

  /// No gradients.
  public init() {}

  /// Walks the graph from the result to the leaves, adding up where a value was used more than once.
  init(of root: Node, seed: Tensor) {
    var pending: [ObjectIdentifier: Tensor] = [ObjectIdentifier(root): seed]
    for node in Gradients.order(from: root) {
      guard let dy = pending.removeValue(forKey: ObjectIdentifier(node)) else { continue }
      if node.edges.isEmpty {
        byLeaf[ObjectIdentifier(node)] = (node, dy)
        continue
      }
      for edge in node.edges {
        for (input, dx) in zip(edge.inputs, edge.rule(dy)) {
          guard let input else { continue }
          guard let dx else { preconditionFailure("Gradients: a rule left out the gradient of a tracked input") }
          Gradients.add(dx.reduced(to: input.shape), to: &pending[ObjectIdentifier(input.node)])
        }
      }
    }
  }

  /// Nodes by falling depth; those of one depth in the order in which they are met, which the program fixes.
  private static func order(from root: Node) -> [Node] {
    var seen: Set<ObjectIdentifier> = [ObjectIdentifier(root)]
    var stack = [root]
    var levels: [[Node]] = Array(repeating: [], count: root.depth + 1)
    while let node = stack.popLast() {
      levels[node.depth].append(node)
      for case let input? in node.edges.lazy.flatMap(\.inputs) where seen.insert(ObjectIdentifier(input.node)).inserted
      {
        stack.append(input.node)
      }
    }
    return levels.reversed().flatMap(\.self)
  }

  private static func add(_ gradient: Tensor, to sum: inout Tensor?) {
    guard var total = sum.take() else {
      sum = gradient
      return
    }
    precondition(total.shape == gradient.shape, "Gradients: \(gradient.shape) is added to \(total.shape)")
    total.withMutableElements { target in
      guard let base = target.baseAddress else { return }
      Kernels.accumulate(gradient.storage, into: base)
    }
    sum = total
  }

  /// The gradient of a tracked leaf; `nil` when the result does not depend on it or it is not tracked.
  public subscript(_ leaf: Tensor) -> Tensor? { leaf.node.flatMap { byLeaf[ObjectIdentifier($0)]?.sum } }

  /// Number of leaves that have a gradient.
  public var count: Int { byLeaf.count }

  /// Adds the gradients of another result, leaf by leaf: accumulation over micro-batches.
  public mutating func add(_ other: consuming Gradients) {
    for (key, (leaf, gradient)) in other.byLeaf {
      if let gradient { Gradients.add(gradient, to: &byLeaf[key, default: (leaf, nil)].sum) }
    }
  }

  /// Replaces the gradient of a leaf, as clipping does.
  package mutating func replace(_ leaf: Tensor, with gradient: Tensor) {
    if let node = leaf.node { byLeaf[ObjectIdentifier(node)] = (node, gradient) }
  }
}
