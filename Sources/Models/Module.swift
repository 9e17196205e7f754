public import Tensors

/// What a parameter does in the model; recipes freeze and train by role.
public enum Role: String, Sendable, CaseIterable, Codable {
  /// Query, key, value and output projections, their biases and norms inside the attention.
  case attention
  /// Routed experts.
  case experts
  /// The routers.
  case router
  /// Experts that every token uses, their gates, and dense layers among sparse ones.
  case sharedExperts = "shared_experts"
  /// Token embeddings and the output projection.
  case embeddings
  /// Norms between the blocks.
  case norms
}

/// Where a parameter lives in the module tree: Hugging Face's name with dots, and its role.
public struct ParameterPath: Sendable, Hashable, CustomStringConvertible {
  /// `model.layers.0.mlp.gate.weight`
  public let name: String
  /// What the parameter does.
  public let role: Role

  /// The root of a tree.
  public init(_ name: String = "", role: Role = .norms) {
    self.name = name
    self.role = role
  }

  /// The path of a child; it keeps the role.
  public subscript(_ child: String) -> ParameterPath {
    ParameterPath(name.isEmpty ? child : name + "." + child, role: role)
  }

  /// The path of an indexed child.
  public subscript(_ index: Int) -> ParameterPath { self[String(index)] }

  /// The same path under another role.
  public func role(_ role: Role) -> ParameterPath { ParameterPath(name, role: role) }

  /// The name.
  public var description: String { name }
  /// The name with slashes: a dataset's path in a checkpoint. Adapters lie in a group of their own, as the weight that
  /// they belong to may be a dataset of the name that they begin with.
  public var datasetPath: String { (isAdapter ? "adapter/" : "") + name.replacing(".", with: "/") }
}

/// A part of a model that names its parameters.
public protocol Module: Sendable {
  /// Visits every parameter once, in a fixed order. Paths are the file format: renaming one breaks checkpoints.
  mutating func visit(_ path: ParameterPath, _ body: (ParameterPath, inout Tensor) throws -> Void) rethrows
  /// Gives every matrix below whose role is adapted a low-rank term of zeros, and takes it from all others.
  mutating func attachAdapters(_ path: ParameterPath, _ settings: AdapterSettings)
}

extension Module {
  /// Visits every parameter without changing one.
  public func forEachParameter(_ body: (ParameterPath, Tensor) throws -> Void) rethrows {
    var copy = self
    try copy.visit(ParameterPath()) { path, tensor in try body(path, tensor) }
  }

  /// Visits every parameter, which `body` may replace by one of the same shape.
  public mutating func updateParameters(_ body: (ParameterPath, inout Tensor) throws -> Void) rethrows {
    try visit(ParameterPath(), body)
  }

  /// Makes leaves of the graph of all parameters whose role is in `roles`, and of all adapters, in float32; the others
  /// leave the graph.
  public mutating func train(_ roles: Set<Role>) {
    updateParameters { path, tensor in
      tensor = path.isAdapter || roles.contains(path.role) ? tensor.tracked() : tensor.detached()
    }
  }

  /// The same parameters outside the graph: for measuring, without the cost of gradients.
  public func untracked() -> Self {
    var copy = self
    copy.updateParameters { _, tensor in tensor = tensor.detached() }
    return copy
  }
}
