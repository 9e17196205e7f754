public import Models

extension Recipe.TrainMode {
  /// Words for whole roles.
  static let words: [String: Recipe.TrainMode] = ["frozen": .frozen, "full": .full]

  /// The adapters; nil where there are none.
  public var lora: Recipe.LoRA? {
    if case .lora(let lora) = self { return lora }
    return nil
  }

  /// As it is written in a recipe, every key of `lora` included.
  var node: RecipeNode {
    switch self {
    case .frozen: .text("frozen")
    case .full: .text("full")
    case .lora(let lora):
      .map([
        (
          "lora",
          // The plain scale goes unsaid, as before there was another.
          .map(
            [("rank", .int(lora.rank)), ("alpha", .double(lora.alpha)), ("share", .double(lora.share))]
              + (lora.isRankStabilized ? [("rslora", .word("true"))] : []))
        )
      ])
    }
  }
}

extension Recipe.TrainRoles {
  /// What happens to each role.
  public var modes: [(role: Role, mode: Recipe.TrainMode)] {
    [
      (.attention, attention), (.experts, experts), (.router, router), (.sharedExperts, sharedExperts),
      (.embeddings, embeddings), (.norms, norms),
    ]
  }

  /// Freezes the roles of these keys, which a recipe with adapters does not name: what trains beside them is said.
  mutating func freeze(_ keys: Set<String>) {
    if keys.contains("attention") { attention = .frozen }
    if keys.contains("experts") { experts = .frozen }
    if keys.contains("router") { router = .frozen }
    if keys.contains("shared_experts") { sharedExperts = .frozen }
    if keys.contains("embeddings") { embeddings = .frozen }
    if keys.contains("norms") { norms = .frozen }
  }

  /// Roles of which every parameter trains.
  public var fullRoles: Set<Role> { Set(modes.filter { $0.mode == .full }.map(\.role)) }

  /// Roles whose adapters train.
  public var adaptedRoles: [Role: Recipe.LoRA] {
    modes.reduce(into: [:]) { roles, entry in roles[entry.role] = entry.mode.lora }
  }
}

extension Recipe {
  /// Roles that may carry adapters: those of matrices.
  private static let adaptable: Set<String> = ["attention", "experts", "router", "shared_experts"]

  /// What a key of `train` takes, in words.
  static func trainWords(_ key: String) -> [String] {
    ["frozen", "full"] + (adaptable.contains(key) ? ["{lora: {rank: 16}}"] : [])
  }

  /// Decodes `{lora: {rank, alpha, rslora, share}}`.
  static func decodeAdapters(_ section: RecipeSection, _ key: String, default fallback: TrainMode) -> TrainMode {
    let written = section.reader.issues.count
    let mode = section.section(key) { (mode: RecipeSection) -> TrainMode in
      guard let node = mode.node("lora") else {
        // Other keys are reported as unknown; a map of none has to be reported here.
        if section.node(key)?.found == "an empty map" {
          section.report(key, "expected a map like {lora: {rank: 16}}, found an empty map")
        }
        return fallback
      }
      guard adaptable.contains(key) else {
        section.report(key, "expected frozen or full, found lora, which goes beside the matrices of other roles")
        return fallback
      }
      if case .scalar = node.content, !node.isNull {
        mode.report("lora", "expected a map of keys like {rank: 16}, found \(node.found)")
        return fallback
      }
      return .lora(mode.section("lora") { decodeLoRA($0, isExperts: key == "experts") })
    }
    return section.reader.issues.count == written ? mode : fallback
  }

  private static func decodeLoRA(_ section: RecipeSection, isExperts: Bool) -> LoRA {
    var lora = LoRA()
    lora.rank = section.int("rank", in: LoRA.ranks, default: lora.rank)
    lora.alpha = section.double("alpha", .alpha, default: 2 * Double(lora.rank))
    lora.isRankStabilized = section.bool("rslora", default: lora.isRankStabilized)
    // Files hold α of the plain scale.
    let most = AdapterSettings.LowRank.mostAlpha
    if lora.alpha <= most, lora.plainAlpha > most {
      section.reader.report(
        section.path, section.position,
        "expected alpha · √rank of at most \(most) with rslora, found \(lora.plainAlpha)")
    }
    if isExperts {
      lora.share = section.value("share", default: lora.share, expected: "a number above 0 and at most 1") { node in
        node.double.flatMap { $0 > 0 && $0 <= 1 ? $0 : nil }
      }
    } else if let node = section.node("share"), node.double != 1 {
      section.report("share", "expected 1, as only experts can be adapted in part, found \(node.found)")
    }
    if section.node("dropout") != nil {
      section.report("dropout", "dropout of adapters is not supported; leave the key out")
    }
    return lora
  }
}
