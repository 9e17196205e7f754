internal import Models
internal import Training

/// A routing rule under which arms are evaluated: the `routing` section of an arm, or of an entry of `study.rules`.
struct StudyRule {
  /// Name of the first arm or entry that has it.
  let name: String
  /// The study's recipe with that routing.
  let recipe: Recipe

  /// Every rule of a study once, in the order of arms and then of `study.rules`.
  ///
  /// - Throws: `RecipeError` or `RoutingError` for a rule that does not fit the model; ``StudyError/placement(arm:)`` for an
  ///   arm with a placement of its own.
  static func all(of recipe: Recipe, _ configuration: ModelConfiguration) throws -> [StudyRule] {
    var rules: [StudyRule] = []
    for entry in recipe.study.arms + recipe.study.rules {
      let own = try recipe.arm(entry.name)
      guard own.routing.devices == recipe.routing.devices, own.routing.placement == recipe.routing.placement,
        own.routing.loadCap == recipe.routing.loadCap
      else { throw StudyError.placement(arm: entry.name) }
      if try RoutingPlan.check(own, configuration).isUnpruned { continue }
      if !rules.contains(where: { $0.recipe.routing == own.routing }) {
        rules.append(StudyRule(name: entry.name, recipe: own))
      }
    }
    return rules
  }

  /// The limit where it is one number below D, for tables and files.
  var limit: Int? {
    let routing = recipe.routing
    if routing.layerLimits != nil || routing.limitBudget != nil { return nil }
    return routing.deviceLimit.flatMap { $0 < routing.devices ? $0 : nil }
  }
}
