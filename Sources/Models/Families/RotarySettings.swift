internal import Formats
internal import Tensors

/// Base and scaling of the rotary angles, resolved as transformers 5 does it.
///
/// - `rope_scaling`, the older name, takes the place of `rope_parameters` as a whole where it is there and not empty.
/// - The base is that map's `rope_theta`, else the one beside it, else the family's own.
/// - The type is `rope_type`, else the older `type`, else `default`.
/// - `original_max_position_embeddings` beside the map goes before the one in it; without either it is
///   `max_position_embeddings`.
///
/// - Source: `convert_rope_params_to_dict` and `standardize_rope_params` of transformers, `modeling_rope_utils.py`.
struct RotarySettings {
  let theta: Double
  let scaling: RotaryScaling
  /// Factor of DeepSeek-V2's scores, m(factor, mscale_all_dim)² under any scaling; 1 where there is none.
  let scoreFactor: Double
  /// Keys of the map that its type does not read.
  let unknown: [String]

  /// Reads them.
  ///
  /// - Parameters:
  ///   - config: The file.
  ///   - family: The family's own base.
  ///   - positions: `max_position_embeddings`.
  /// - Throws: ``ConfigurationError`` for a type that is not computed, by name, and whatever is impossible.
  init(_ config: ConfigurationReader, theta family: Double, positions: Int) throws(ConfigurationError) {
    let sections = [try config.section("rope_scaling"), try config.section("rope_parameters")]
    let map = sections.compactMap(\.self).first { !$0.keys.isEmpty }
    let beside = try config.optionalDouble("rope_theta", above: 0)
    theta = try map?.optionalDouble("rope_theta", above: 0) ?? beside ?? family
    try Self.checkWhole(map, config)
    let besides = try config.optionalInt("original_max_position_embeddings", in: 1...16_777_216)
    guard let map else {
      (scaling, scoreFactor, unknown) = (.none, 1, [])
      return
    }
    let inside = try map.optionalInt("original_max_position_embeddings", in: 1...16_777_216)
    let original = besides ?? inside ?? positions
    let key = map.value("rope_type") == nil && map.value("type") != nil ? "type" : "rope_type"
    let type = map.value(key) == nil ? "default" : try map.string(key)
    var read: Set = ["rope_theta", "rope_type", "type", "partial_rotary_factor"]
    switch type {
    case "default": scaling = .none
    case "linear":
      read.formUnion(["factor"])
      scaling = .linear(factor: try map.double("factor", above: 0))
    case "dynamic":
      // Angles change for texts longer than the context, which do not run here.
      read.formUnion(["factor"])
      _ = try map.double("factor", above: 0)
      scaling = .none
    case "yarn":
      read.formUnion([
        "factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "mscale",
        "mscale_all_dim", "truncate",
      ])
      scaling = .yarn(try Self.yarn(map, original: original))
    case "llama3":
      read.formUnion(["factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor"])
      scaling = .llama3(try Self.llama3(map, original: original))
    case let other:
      throw map.invalid(key, "default, linear, dynamic, yarn or llama3", other)
    }
    if type != "default", let scale = try map.optionalShare("mscale_all_dim"), scale != 0 {
      let temperature = YaRN.temperature(factor: try map.double("factor", above: 0), scale: scale)
      scoreFactor = temperature * temperature
      read.insert("mscale_all_dim")
    } else {
      scoreFactor = 1
    }
    unknown = map.keys.filter { !read.contains($0) }.map { map.prefix + $0 }
  }

  /// Refuses maps for kinds of layers, and heads of which a part is rotated: classes of these families rotate all of it
  /// under `default`, whatever the key says, and fail under any other type.
  private static func checkWhole(
    _ map: ConfigurationReader?, _ config: ConfigurationReader
  ) throws(ConfigurationError) {
    if let map, let key = map.keys.first(where: { if case .object = map.value($0) { true } else { false } }) {
      throw map.invalid(key, "one map for all layers", "a map of its own")
    }
    for reader in [map, config].compactMap(\.self) {
      guard let part = try reader.optionalDouble("partial_rotary_factor", above: 0) else { continue }
      if part == 1 { return }
      throw reader.invalid("partial_rotary_factor", "1: no class of these families rotates a part of a head", part)
    }
  }

  private static func yarn(_ map: ConfigurationReader, original: Int) throws(ConfigurationError) -> YaRN {
    let factor = try map.double("factor", above: 0)
    let (scale, scaleAll) = (try map.optionalShare("mscale") ?? 0, try map.optionalShare("mscale_all_dim") ?? 0)
    let derived =
      scale != 0 && scaleAll != 0
      ? YaRN.temperature(factor: factor, scale: scale) / YaRN.temperature(factor: factor, scale: scaleAll)
      : YaRN.temperature(factor: factor)
    // 0 is no value, as in Python's `or`.
    func turns(_ key: String, default standard: Double) throws(ConfigurationError) -> Double {
      guard let turns = try map.optionalShare(key), turns > 0 else { return standard }
      return turns
    }
    return YaRN(
      factor: factor, originalPositions: original, betaFast: try turns("beta_fast", default: 32),
      betaSlow: try turns("beta_slow", default: 1),
      attentionFactor: try map.optionalDouble("attention_factor", above: 0) ?? derived,
      truncates: try map.optionalBool("truncate") ?? true)
  }

  private static func llama3(_ map: ConfigurationReader, original: Int) throws(ConfigurationError) -> Llama3Scaling {
    let low = try map.double("low_freq_factor", above: 0)
    let high = try map.double("high_freq_factor", above: 0)
    guard high > low else { throw map.invalid("high_freq_factor", "a number above low_freq_factor = \(low)", high) }
    return Llama3Scaling(
      factor: try map.double("factor", above: 0), originalPositions: original, lowFactor: low, highFactor: high)
  }
}
