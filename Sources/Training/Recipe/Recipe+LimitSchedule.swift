extension Recipe {
  /// `routing.device_limit_schedule`: the limit by step, from a mild one to `device_limit`.
  public enum LimitSchedule: Sendable, Equatable {
    /// `{from: 4, steps: 100}`: one device less at a time, each limit for as many steps as the others; `device_limit` holds
    /// after `steps` steps.
    case falling(from: Int, steps: Int)
    /// `[[0, 4], [50, 3], [100, 2]]`: each limit from its step on, counted from 0; the last is `device_limit`.
    case stages([LimitStage])

    /// The limits in the order in which they come, down to `limit`.
    public func stages(to limit: Int) -> [LimitStage] {
      switch self {
      case .stages(let stages): stages
      case .falling(let from, let steps):
        (0...from - limit).map { LimitStage(step: $0 * steps / (from - limit), limit: from - $0) }
      }
    }
  }

  /// A limit and the step, counted from 0, from which it holds.
  public struct LimitStage: Sendable, Equatable {
    /// Optimizer steps done when it begins.
    public let step: Int
    /// Most devices a token may use.
    public let limit: Int

    /// `limit` from `step` on.
    public init(step: Int, limit: Int) { (self.step, self.limit) = (step, limit) }
  }
}

extension Recipe.Routing {
  /// The limits that training goes through; one for a fixed limit, none without.
  public var limitStages: [Recipe.LimitStage] {
    guard let deviceLimit else { return [] }
    return deviceLimitSchedule?.stages(to: deviceLimit) ?? [.init(step: 0, limit: deviceLimit)]
  }

  /// The limit of a step, counted from 0; nil for none.
  public func deviceLimit(atStep step: Int) -> Int? { limitStages.last { $0.step <= step }?.limit }
}

extension Recipe.LimitSchedule {
  /// As it is written in a recipe.
  var node: RecipeNode {
    switch self {
    case .falling(let from, let steps): .map([("from", .int(from)), ("steps", .int(steps))])
    case .stages(let stages): .list(stages.map { .list([.int($0.step), .int($0.limit)]) })
    }
  }

  /// Decodes `device_limit_schedule`, which must fall to `limit`. Where `device_limit: none` is written it waits for an arm
  /// of a study that has a limit.
  static func decode(_ section: RecipeSection, to limit: Int?, devices: Int) -> Self? {
    let key = "device_limit_schedule"
    guard let node = section.node(key), !node.isNone else { return nil }
    if limit == nil, section.node("device_limit") == nil {
      section.report(key, "expected a device_limit to end at, found none; try device_limit: 1")
      return nil
    }
    switch node.content {
    case .map:
      return section.section(key) { decodeFalling($0, to: limit, devices: devices) }
    case .list(let items):
      var stages: [Recipe.LimitStage] = []
      for item in items {
        guard case .list(let pair) = item.content, pair.count == 2, let step = pair[0].int, let limit = pair[1].int
        else { return unreadable(section, key, node) }
        stages.append(.init(step: step, limit: limit))
      }
      guard let problem = problem(stages, to: limit, devices: devices) else { return .stages(stages) }
      section.report(key, problem)
      return nil
    case .scalar:
      return unreadable(section, key, node)
    }
  }

  private static func unreadable(_ section: RecipeSection, _ key: String, _ node: RecipeNode) -> Self? {
    section.report(
      key,
      "expected null, a map like {from: 4, steps: 100} or pairs like [[0, 4], [50, 3], [100, 2]] of step and limit, "
        + "found \(node.found)")
    return nil
  }

  private static func decodeFalling(_ section: RecipeSection, to limit: Int?, devices: Int) -> Self? {
    let limit = limit ?? 1
    guard devices > limit else {
      section.reader.report(
        section.path, section.position,
        "expected a device_limit below devices = \(devices) to fall to, found \(limit)")
      _ = (section.node("from"), section.node("steps"))
      return nil
    }
    let written = section.reader.issues.count
    let from = section.int("from", in: limit + 1...devices, default: devices)
    guard section.node("steps") != nil else {
      section.report("steps", "expected the steps after which device_limit holds, found no such key")
      return nil
    }
    let least = from - limit
    let steps = section.int("steps", in: least...RecipeSection.mostCount, default: least)
    return section.reader.issues.count == written ? .falling(from: from, steps: steps) : nil
  }

  /// What is wrong with stages, in words; nil for nothing.
  private static func problem(_ stages: [Recipe.LimitStage], to limit: Int?, devices: Int) -> String? {
    guard let first = stages.first, let last = stages.last else { return "expected at least one stage, found none" }
    if last.step > RecipeSection.mostCount {
      return "expected steps of at most \(RecipeSection.mostCount), found \(last.step)"
    }
    if first.step != 0 { return "expected a first stage at step 0, found one at step \(first.step)" }
    for (before, after) in zip(stages, stages.dropFirst()) {
      if after.step <= before.step {
        return "expected steps that rise, found \(after.step) after \(before.step)"
      }
      if after.limit >= before.limit {
        return "expected limits that fall, found \(after.limit) after \(before.limit)"
      }
    }
    if first.limit > devices { return "expected limits of at most devices = \(devices), found \(first.limit)" }
    if let limit, last.limit != limit { return "expected to end at device_limit = \(limit), found \(last.limit)" }
    return nil
  }
}
