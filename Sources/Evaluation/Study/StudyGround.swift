internal import Checkpoint
internal import Placements
internal import Profiles
internal import ExpertParallel
internal import Models

/// What all arms of a study share once its profile is made: placement, and the routing of every rule.
struct StudyGround {
  /// Of the base model; nil on ranks other than the first.
  let profile: CollaborationProfile?
  let placement: Placement
  private let settings: [String: RoutingSettings]

  /// Makes the routing of every rule once: tables from the profile, budgets spent. The first rank does, the others are told.
  ///
  /// - Parameters:
  ///   - profile: Of the base model, on the first rank.
  ///   - placement: Of the study, on the first rank.
  ///   - rules: All rules.
  ///   - ranks: The processes of the study.
  ///   - configuration: The model's sizes.
  ///   - make: The routing of a rule, on the first rank.
  /// - Throws: What `make` throws.
  init(
    _ profile: CollaborationProfile?, _ placement: Placement?, rules: [StudyRule], _ ranks: any Communicator,
    _ configuration: ModelConfiguration, make: (StudyRule) throws -> RoutingSettings
  ) throws {
    func told(_ own: RoutingSettings?) throws -> RoutingSettings {
      let text = ranks.broadcast(Array((own?.json ?? "").utf8))
      return try own ?? RoutingSettings(json: String(decoding: text, as: UTF8.self), configuration)
    }
    self.profile = profile
    self.placement = try told(placement.map { RoutingSettings(placement: $0) }).placement
    settings = try Dictionary(
      uniqueKeysWithValues: rules.map { rule in
        (rule.name, try told(ranks.rank == 0 ? try make(rule) : nil))
      })
  }

  /// Routing without a rule.
  var unlimited: RoutingSettings { RoutingSettings(placement: placement) }

  /// Routing of a rule; nil for none.
  func settings(_ rule: StudyRule?) -> RoutingSettings? { rule.flatMap { settings[$0.name] } }
}
