internal import Files
internal import Formats
internal import Models

/// What `adapter_config.json` says of the factors beside it: rank and scale of each, and how those of experts lie.
///
///     W + s · B · A,   s = α / r, or α / √r with `use_rslora`
///
/// - Source: peft 0.18.1 and 0.21.2, `LoraConfig`, `get_pattern_key`.
struct PEFTConfiguration {
  let path: String
  private let rank: Int
  private let alpha: Double
  private let ranks: [(pattern: PEFTPattern, value: Double)]
  private let alphas: [(pattern: PEFTPattern, value: Double)]
  private let isRankStabilized: Bool
  private let parameterTargets: [String]
  /// Whether factors of stacked experts lie as before PEFT 0.19, which took `[E, out, in]` for `[E, in, out]`; nil
  /// where no version is given.
  let swapsExperts: Bool?

  /// Rank and α of one pair of factors.
  struct Size: Equatable {
    let rank: Int
    let alpha: Double
    let isRankStabilized: Bool

    /// s
    var scale: Double { alpha / (isRankStabilized ? Double(rank).squareRoot() : Double(rank)) }
  }

  /// What is known of `LoraConfig`.
  static let keys = KnownKeys(
    used: [
      "alpha_pattern", "init_lora_weights", "lora_alpha", "peft_type", "peft_version", "r", "rank_pattern",
      "target_parameters", "use_rslora",
    ],
    withoutEffect: [
      // Where the factors belong; their names tell.
      "auto_mapping", "base_model_name_or_path", "exclude_modules", "layers_pattern", "layers_to_transform", "revision",
      "target_modules", "task_type",
      // How they began and were trained.
      "corda_config", "ensure_weight_tying", "eva_config", "inference_mode", "loftq_config", "lora_dropout",
      "lora_ga_config", "megatron_core", "qalora_group_size", "runtime_config",
      // PEFT takes it for false with every linear layer of these families.
      "fan_in_fan_out",
    ],
    refused: [
      "alora_invocation_tokens": .init(meaning: "tokens from which on adapters act (aLoRA)"),
      "arrow_config": .init(meaning: "with which several adapters are mixed by token (Arrow)"),
      "bias": .init(meaning: "with which biases were trained as well", off: .string("none")),
      "kasa_config": .init(meaning: "with which PEFT cuts singular values off W on loading (KaSA)"),
      "layer_replication": .init(meaning: "with which layers are repeated"),
      "lora_bias": .init(meaning: "with which B has a bias"),
      "megatron_config": .init(meaning: "with which layers are Megatron's"),
      "modules_to_save": .init(
        meaning: "modules that were trained fully; PEFT's merge_and_unload makes a whole model of them"),
      "monteclora_config": .init(meaning: "with which factors are drawn at random (MonteCLoRA)"),
      "trainable_token_indices": .init(meaning: "tokens whose embeddings were trained as well"),
      "use_bdlora": .init(meaning: "with which factors are block-diagonal (BD-LoRA)"),
      "use_dora": .init(
        meaning: "which scales the rows of W (DoRA); PEFT's merge_and_unload makes a whole model of both"),
      "use_qalora": .init(meaning: "with which A takes averages of inputs (QA-LoRA)"),
      "velora_config": .init(meaning: "with which inputs are compressed (VeLoRA)"),
    ],
    origin: "PEFT 0.18.1 or 0.21.2")

  private static let rankRange = AdapterGroup.ranks
  private static let rankWords = "an integer in \(rankRange)"
  private static func isAlpha(_ number: Double) -> Bool {
    number > 0 && number <= AdapterSettings.LowRank.mostAlpha
  }
  private static let alphaWords = "a number above 0 and at most \(AdapterSettings.LowRank.mostAlpha)"

  /// Values of `init_lora_weights` that leave W as it is; another would change it on loading.
  private static let harmlessInitializations: Set<String> = ["eva", "gaussian", "mica", "orthogonal"]

  /// Reads the file and checks every key.
  init(_ path: String) throws(FileError) {
    self.path = path
    let text = try TextFile.read(path)
    let json = try JSONValue.parse(text, file: path)
    guard json["peft_type"] == .string("LORA") else {
      throw .unsupported(
        path: path, item: "peft_type", expected: "'LORA'", found: json["peft_type"]?.kind ?? "nothing")
    }
    try Self.keys.check(json, path)
    try Self.checkInitialization(json["init_lora_weights"] ?? .null, path)
    guard let alpha = json["lora_alpha"]?.real, Self.isAlpha(alpha) else {
      throw .invalid(
        path: path, item: "lora_alpha", expected: Self.alphaWords, found: (json["lora_alpha"] ?? .null).kind)
    }
    guard case .integer(let rank)? = json["r"], Self.rankRange.contains(rank) else {
      throw .invalid(path: path, item: "r", expected: Self.rankWords, found: (json["r"] ?? .null).kind)
    }
    (self.rank, self.alpha) = (rank, alpha)
    ranks = try Self.patterns(json, "rank_pattern", path)
    alphas = try Self.patterns(json, "alpha_pattern", path)
    switch json["use_rslora"] ?? .null {
    case .null, .bool(false): isRankStabilized = false
    case .bool(true): isRankStabilized = true
    case let other: throw .invalid(path: path, item: "use_rslora", expected: "true or false", found: other.kind)
    }
    parameterTargets = try Self.names(json["target_parameters"] ?? .null, "target_parameters", path)
    swapsExperts = try Self.isBefore019(json["peft_version"] ?? .null, path)
  }

  private static func isBefore019(_ version: JSONValue, _ path: String) throws(FileError) -> Bool? {
    guard version != .null else { return nil }
    let text = if case .string(let text) = version { text } else { "" }
    let numbers = text.split(separator: ".").prefix(2).map { Int($0) }
    guard numbers.count == 2, let major = numbers[0], let minor = numbers[1] else {
      throw .invalid(path: path, item: "peft_version", expected: "a version such as 0.21.2", found: version.kind)
    }
    return (major, minor) < (0, 19)
  }

  private static func checkInitialization(_ value: JSONValue, _ path: String) throws(FileError) {
    switch value {
    case .null, .bool: return
    case .string(let name) where harmlessInitializations.contains(name.lowercased()): return
    default:
      throw .unsupported(
        path: path, item: "init_lora_weights",
        expected: "true, false or one of \(harmlessInitializations.sorted().joined(separator: ", "))",
        found: "\(value.kind), whose factors belong to weights that PEFT changes when it begins; PEFT makes plain "
          + "LoRA of them with 'save_pretrained(…, path_initial_model_for_weight_conversion=…)'")
    }
  }

  private static func names(_ value: JSONValue, _ key: String, _ path: String) throws(FileError) -> [String] {
    if value == .null { return [] }
    guard case .array(let values) = value else {
      throw .invalid(path: path, item: key, expected: "a list of names", found: value.kind)
    }
    var names: [String] = []
    for value in values {
      guard case .string(let name) = value else {
        throw .invalid(path: path, item: key, expected: "a list of names", found: "\(value.kind) in it")
      }
      names.append(name)
    }
    return names
  }

  private static func patterns(
    _ json: JSONValue, _ key: String, _ path: String
  ) throws(FileError) -> [(pattern: PEFTPattern, value: Double)] {
    let members: [JSONValue.Member]
    switch json[key] ?? .null {
    case .null: members = []
    case .object(let found): members = found
    case let other: throw .invalid(path: path, item: key, expected: "an object", found: other.kind)
    }
    let isAlpha = key == "alpha_pattern"
    var patterns: [(PEFTPattern, Double)] = []
    for member in members {
      let (name, value) = (member.key, member.value)
      guard let number = value.real,
        isAlpha ? Self.isAlpha(number) : Int(exactly: number).map(rankRange.contains) ?? false
      else {
        throw .invalid(
          path: path, item: "\(key) \(name)", expected: isAlpha ? alphaWords : rankWords, found: value.kind)
      }
      guard let pattern = PEFTPattern(name) else {
        throw .invalid(
          path: path, item: key, expected: "regular expressions of at most \(PEFTPattern.mostBrackets) brackets",
          found: "'\(name.prefix(80))'")
      }
      patterns.append((pattern, number))
    }
    return patterns
  }

  /// Rank and α of the factors of a module or of one of its parameters.
  ///
  /// - Parameters:
  ///   - module: As it is called in the file, `model.layers.0.mlp.gate`.
  ///   - parameter: The last part of the parameter's name, `weight`.
  ///   - isStacked: Whether it is a stack of experts, which is adapted as a parameter in any case.
  /// - Returns: What the first pattern that matches says, else what holds for all.
  func size(module: String, parameter: String, isStacked: Bool) -> Size {
    let whole = module + "." + parameter
    let isParameter = isStacked || parameterTargets.contains { $0 == whole || whole.hasSuffix("." + $0) }
    let key = isParameter ? whole : module
    return Size(
      rank: ranks.first { $0.pattern.matches(key) }.map { Int($0.value) } ?? rank,
      alpha: alphas.first { $0.pattern.matches(key) }?.value ?? alpha, isRankStabilized: isRankStabilized)
  }
}

/// A key of `rank_pattern` or `alpha_pattern`: a regular expression that matches a name from its start or from a point
/// on.
struct PEFTPattern {
  private let text: [UInt8]
  /// nil where the text is made of characters that stand for themselves, and points.
  private let expression: Regex<AnyRegexOutput>?

  /// Most groups and classes that an expression may open: the parser goes down the stack with each that is in another.
  static let mostBrackets = 100

  /// nil for text that is no regular expression, or has more than ``mostBrackets``.
  init?(_ text: String) {
    self.text = Array(text.utf8)
    if text.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == ".") }) {
      expression = nil
    } else {
      guard text.utf8.count(where: { "([".utf8.contains($0) }) <= Self.mostBrackets,
        let found = try? Regex("(?:.*\\.)?(?:\(text))")
      else { return nil }
      expression = found
    }
  }

  /// Whether it matches the end of a name, which is all of it or begins after a point.
  func matches(_ name: String) -> Bool {
    if let expression { return name.wholeMatch(of: expression) != nil }
    // One pattern a module is usual where ranks were found by EVA: no expression for those.
    let name = Array(name.utf8)
    guard name.count >= text.count else { return false }
    let end = name.suffix(text.count)
    let isWhole = name.count == text.count || name[end.startIndex - 1] == UInt8(ascii: ".")
    return isWhole && zip(text, end).allSatisfy { $0 == UInt8(ascii: ".") || $0 == $1 }
  }
}
