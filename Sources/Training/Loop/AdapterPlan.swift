public import Checkpoint
public import Profiles
internal import Foundation
public import Models

/// From a recipe's `train` section to the adapters of a model.
public enum AdapterPlan {
  /// Checks that every adapted role is one that the model has, and that the model carries no adapters yet.
  ///
  /// - Parameters:
  ///   - recipe: Its `train` section.
  ///   - base: The base model.
  /// - Throws: ``AdapterPlanError``.
  public static func check(_ recipe: Recipe, _ base: ModelFiles) throws(AdapterPlanError) {
    if base.adapters != nil { throw .adapted(path: base.path) }
    let present = Set(ModelFamily.parameters(base.configuration).map(\.path.role))
    for (role, mode) in recipe.train.modes where mode.lora != nil && !present.contains(role) {
      throw .missing(
        role: role.rawValue, model: base.configuration.modelType,
        present: Role.allCases.filter(present.contains).map(\.rawValue))
    }
  }

  /// Whether the choice of experts needs their load.
  public static func needsProfile(_ recipe: Recipe) -> Bool { (recipe.train.experts.lora?.share ?? 1) < 1 }

  /// Adapters that a recipe asks for; nil where it asks for none.
  ///
  /// - Parameters:
  ///   - recipe: Its `train` section.
  ///   - configuration: The model's sizes.
  ///   - profile: Called when a share of the experts is to be chosen.
  /// - Returns: Roles with rank and scale, and the experts that are adapted.
  /// - Throws: What `profile` throws.
  public static func settings(
    _ recipe: Recipe, _ configuration: ModelConfiguration, profile: () throws -> CollaborationProfile
  ) throws -> AdapterSettings? {
    guard var settings = sizes(recipe) else { return nil }
    guard needsProfile(recipe), let share = recipe.train.experts.lora?.share else { return settings }
    let loads = Dictionary(uniqueKeysWithValues: try profile().layers.map { ($0.layer, $0.load) })
    for (path, shape) in ModelFamily.parameters(configuration) where path.role == .experts && shape.count == 3 {
      let stack = path.parent.name
      let layer = stack.split(separator: ".").compactMap { Int($0) }.first
      guard let load = layer.flatMap({ loads[$0] }) else {
        preconditionFailure("AdapterPlan: the profile has no layer for \(stack)")
      }
      settings.experts[stack] = hottest(load, share: share)
    }
    return settings
  }

  /// Rank and scale by role, without the choice of experts: enough to know the roles and to count what `share` leaves.
  static func sizes(_ recipe: Recipe) -> AdapterSettings? {
    let roles = recipe.train.adaptedRoles
    return roles.isEmpty
      ? nil : AdapterSettings(roles: roles.mapValues { .init(rank: $0.rank, alpha: $0.plainAlpha) })
  }

  /// The adapted experts of each stack, as the first rank tells the others.
  static func json(_ experts: [String: [Int]]) -> Data {
    guard let data = try? JSONEncoder().encode(experts) else {
      preconditionFailure("AdapterPlan: numbers can be encoded")
    }
    return data
  }

  /// The same read again.
  static func experts(json: [UInt8]) -> [String: [Int]] {
    guard let experts = try? JSONDecoder().decode([String: [Int]].self, from: Data(json)) else {
      preconditionFailure("AdapterPlan: the first rank sends adapted experts")
    }
    return experts
  }

  /// Experts with the highest load, ascending: ⌈share · E⌉ of them, of equal ones the lower numbers.
  static func hottest<Load: BinaryInteger>(_ load: [Load], share: Double) -> [Int] {
    let order = load.indices.sorted { (load[$1], $0) < (load[$0], $1) }
    return order.prefix(count(load.count, share: share)).sorted()
  }

  /// ⌈share · E⌉, at least 1.
  static func count(_ experts: Int, share: Double) -> Int {
    // A share such as 0.1 is not exact in binary: 0.1 · 30 shall be 3.
    max(1, min(experts, Int((share * Double(experts) - 1e-9).rounded(.up))))
  }

  /// Adapters of the right sizes for an estimate: which experts are adapted does not matter there.
  static func expected(_ recipe: Recipe, _ configuration: ModelConfiguration) -> AdapterSettings? {
    guard var settings = sizes(recipe) else { return nil }
    if let share = recipe.train.experts.lora?.share, share < 1 {
      for (path, shape) in ModelFamily.parameters(configuration) where path.role == .experts && shape.count == 3 {
        settings.experts[path.parent.name] = Array(0..<count(shape[0], share: share))
      }
    }
    return settings
  }
}

/// Why a recipe's adapters do not fit its model.
public enum AdapterPlanError: Error, Equatable, CustomStringConvertible {
  /// The model has no parameter of a role that is to be adapted.
  case missing(role: String, model: String, present: [String])
  /// The model has adapters already.
  case adapted(path: String)

  /// The message for a person.
  public var description: String {
    switch self {
    case .missing(let role, let model, let present):
      "train.\(role): expected a role that \(model) models have (\(present.joined(separator: ", "))), found lora on one "
        + "that they lack; try train.\(role)=frozen"
    case .adapted(let path):
      "model: expected a model without adapters, found some in \(path); try 'occult convert \(path) merged.h5', which "
        + "merges them"
    }
  }
}
