internal import Collaboration
internal import Models

/// What all arms of a study share once its profile is made: placement, and the routing of every rule.
struct StudyGround {
  let profile: CollaborationProfile
  let placement: Placement
  private let settings: [String: RoutingSettings]

  /// Makes the routing of every rule once: tables from the profile, budgets spent.
  init(
    _ profile: CollaborationProfile, _ placement: Placement, rules: [StudyRule],
    _ make: (StudyRule) throws -> RoutingSettings
  ) rethrows {
    (self.profile, self.placement) = (profile, placement)
    settings = try Dictionary(uniqueKeysWithValues: rules.map { ($0.name, try make($0)) })
  }

  /// Routing without a rule.
  var unlimited: RoutingSettings { RoutingSettings(placement: placement) }

  /// Routing of a rule; nil for none.
  func settings(_ rule: StudyRule?) -> RoutingSettings? { rule.flatMap { settings[$0.name] } }
}
