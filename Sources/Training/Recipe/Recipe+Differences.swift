extension Recipe {
  /// A key whose value differs between two recipes.
  public struct Difference: Sendable, Equatable, CustomStringConvertible {
    /// The dotted key; a list counts as one value.
    public let key: String
    /// The value of the earlier recipe in YAML's flow style; `nil` if it has no such key.
    public let before: String?
    /// The value now.
    public let now: String?
    /// Whether a run may go on with the new value and still be the run that was begun.
    public let isHarmless: Bool

    /// How long a run is: keys that a run which is made longer may change.
    static let lengthKeys = ["schedule.epochs", "schedule.max_steps"]

    /// `optimizer.learning_rate: was 2e-05, is 1e-05`.
    public var description: String {
      "\(key): was \(before ?? "absent"), is \(now ?? "absent")"
    }
  }

  /// Keys, or sections with all their keys, that decide no parameter of the training steps still to come: how many
  /// threads compute it (results do not depend on it), what is measured and saved on the way, and what only other
  /// commands read. `output` is not among them: a run that begins in another folder is another run. One that goes on is asked for by its
  /// folder, wherever that is now.
  public static let harmlessKeys = [
    "run.threads", "run.evaluate_every", "save", "data.test", "data.retention", "parallel.overlap", "tasks",
    "study",
  ]

  /// ``harmlessKeys``, less those that decide this run's result: when it is validated, where validation ends it or chooses.
  private var ownHarmlessKeys: [String] {
    run.keepsBest || run.earlyStopping != nil
      ? Self.harmlessKeys.filter { $0 != "run.evaluate_every" } : Self.harmlessKeys
  }

  /// Keys that came after the first version, with their defaults: at these a recipe computes what it did before them.
  private static let laterDefaults = [
    "run.keep_best": "false", "run.early_stopping": "none", "data.on_unsupported": "error",
  ]

  /// What changed since `earlier`, in the order of the file.
  public func differences(from earlier: Recipe) -> [Difference] {
    let (before, now) = (earlier.leaves, leaves)
    let old = Dictionary(uniqueKeysWithValues: before)
    let new = Dictionary(uniqueKeysWithValues: now)
    let keys = now.map(\.0) + before.map(\.0).filter { new[$0] == nil }
    return keys.compactMap { key in
      guard old[key] != new[key] else { return nil }
      let isHarmless = Self.isCovered(key, by: ownHarmlessKeys)
      return Difference(key: key, before: old[key], now: new[key], isHarmless: isHarmless)
    }
  }

  /// A fingerprint of what a run computes, the same on every machine and in every process: 16 hexadecimal digits.
  ///
  /// FNV-1a over the resolved keys that are not in `ignored`; keys younger than the first version count where they are not at
  /// their defaults, so that a new version does not throw caches away. Files count by their names alone, since a folder can be
  /// moved; callers that cache add hashes of the contents.
  ///
  /// - Parameter ignored: Keys and sections left out; nil for those that are harmless to this run, and `output`.
  /// - Returns: Lower-case digits.
  public func contentHash(ignoring ignored: [String]? = nil) -> String {
    let ignored = ignored ?? ownHarmlessKeys + ["output"]
    var portable = self
    portable.model = Self.lastComponent(model)
    portable.data = data.mappingPaths(Self.lastComponent)
    if case .file(let path) = routing.placement { portable.routing.placement = .file(Self.lastComponent(path)) }
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for (key, value) in portable.leaves where !Self.isCovered(key, by: ignored) && Self.laterDefaults[key] != value {
      for byte in "\(key)=\(value)\n".utf8 {
        hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
      }
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// Every dotted key with its value; arms and sources count as one value each.
  var leaves: [(String, String)] {
    func walk(_ node: RecipeNode, _ path: String) -> [(String, String)] {
      guard case .map(let entries) = node.content, path.isEmpty || Self.sections.contains(path) else {
        return [(path, node.flow)]
      }
      return entries.flatMap { walk($0.value, path.isEmpty ? $0.key : path + "." + $0.key) }
    }
    return walk(node, "")
  }

  private static func isCovered(_ key: String, by list: [String]) -> Bool {
    list.contains { key == $0 || key.hasPrefix($0 + ".") }
  }

  private static func lastComponent(_ path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
  }
}

extension Recipe.Datasets {
  /// The same data with every path changed by `change`.
  fileprivate func mappingPaths(_ change: (String) -> String) -> Self {
    func mapped(_ sources: [Recipe.Source]) -> [Recipe.Source] {
      sources.map { source in
        var source = source
        source.path = change(source.path)
        return source
      }
    }
    var result = self
    result.train = mapped(train)
    if case .sources(let sources) = validation { result.validation = .sources(mapped(sources)) }
    result.test = mapped(test)
    result.retention = mapped(retention)
    result.profile = mapped(profile)
    return result
  }
}
