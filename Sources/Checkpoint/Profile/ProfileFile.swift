public import Files
public import Profiles
internal import Routing

/// Collaboration profiles as HDF5: `/layers/<layer>/` with counts, recorded sets and similarity tables.
///
///     coactivation [E, E] int64 · load [E] int64 · sets [n, k] int32 ascending · documents [n] int32
///     weights [n, k] float32 unless a recording has none
///     logit_similarity, logit_similarity_centered [E, E] float32 where logits were seen
///     output_similarity [E, E] float32 where all experts were run
///
/// Root attributes: `format`, `version`, `model_type`, `experts`, `top_k`, `tokens`, `data`, `created_by`; every layer
/// has `tokens` of its own.
public enum ProfileFile {
  /// Value of the root attribute `format`.
  static let format = "occult-profile"
  /// Value of the root attribute `version`.
  static let version = 1
  /// Most recorded tokens of a layer: a thousand times what placements need.
  static let mostRecorded = 100_000_000

  /// Writes a profile, crash-safe.
  ///
  /// - Parameters:
  ///   - profile: What to write.
  ///   - path: Name of the file; a file of that name stays as it was until the new one is complete.
  ///   - program: Name and version for `created_by`.
  /// - Throws: ``FileError``.
  public static func write(_ profile: CollaborationProfile, to path: String, program: String) throws(FileError) {
    let (e, k) = (profile.experts, profile.topK)
    guard e <= Most.profiledExperts else {
      throw .unsupported(
        path: path, item: "experts", expected: "at most \(Most.profiledExperts) experts a layer", found: "\(e)")
    }
    let file = try HDF5Writer(creating: path)
    for layer in profile.layers {
      let group = "layers/\(layer.layer)/"
      let n = layer.recorded
      try write(layer.coactivation, group + "coactivation", [e, e], .int64, to: file)
      try write(layer.load, group + "load", [e], .int64, to: file)
      try write(layer.sets, group + "sets", [n, k], .int32, to: file)
      if n == 0 || !layer.weights.isEmpty {
        try write(layer.weights, group + "weights", [n, k], .float32, to: file)
      }
      try write(layer.documents, group + "documents", [n], .int32, to: file)
      for (name, table) in [
        ("logit_similarity", layer.cosineSimilarity), ("logit_similarity_centered", layer.centeredSimilarity),
        ("output_similarity", layer.outputSimilarity),
      ] {
        if let table { try write(table, group + name, [e, e], .float32, to: file) }
      }
      try file.setAttribute("tokens", .integer(layer.tokens), of: "layers/\(layer.layer)")
    }
    var attributes: [(String, HDF5Attribute)] = [
      ("format", .string(format)), ("version", .integer(version)), ("experts", .integer(e)), ("top_k", .integer(k)),
      ("tokens", .integer(profile.tokens)), ("data", .string(profile.data)), ("created_by", .string(program)),
    ]
    if let modelType = profile.modelType { attributes.append(("model_type", .string(modelType))) }
    for (name, value) in attributes { try file.setAttribute(name, value) }
    try file.commit()
  }

  /// Reads a profile, and checks what everything made from it relies on.
  ///
  /// - Parameter path: The file.
  /// - Returns: The profile.
  /// - Throws: ``FileError`` naming dataset, expected and found.
  public static func read(_ path: String) throws(FileError) -> CollaborationProfile {
    let file = try HDF5Reader(path)
    guard case .string(Self.format)? = try file.attribute("format") else {
      throw .foreign(
        path: path, expected: "a profile (root attribute format = '\(format)')", found: "an HDF5 file of another kind")
    }
    let found = try file.integer(attribute: "version")
    guard found == version else {
      throw .unsupported(path: path, item: "version", expected: "version \(version)", found: "version \(found)")
    }
    let experts = try file.integer(attribute: "experts")
    let topK = try file.integer(attribute: "top_k")
    guard (1...Most.profiledExperts).contains(experts), (1...experts).contains(topK) else {
      throw .invalid(
        path: path, item: "top_k", expected: "1 ≤ top_k ≤ experts ≤ \(Most.profiledExperts)",
        found: "top_k \(topK), experts \(experts)")
    }
    var modelType: String?
    if case .string(let text)? = try file.attribute("model_type") { modelType = text }
    var layers: [LayerProfile] = []
    for group in try file.groups() where group.hasPrefix("/layers/") {
      let name = group.dropFirst("/layers/".count)
      guard let layer = Int(name), (0..<Most.layers).contains(layer), "\(layer)" == name else {
        throw .invalid(
          path: path, item: group, expected: "a layer number in 0..<\(Most.layers)", found: "another name")
      }
      layers.append(try read(layer, group + "/", experts, topK, file))
    }
    guard !layers.isEmpty else { throw .missing(path: path, item: "/layers/0", nearest: nil) }
    let profile = CollaborationProfile(
      modelType: modelType, experts: experts, topK: topK, data: try file.string(attribute: "data"), layers: layers)
    let tokens = try file.integer(attribute: "tokens")
    guard tokens == profile.tokens else {
      throw .invalid(
        path: path, item: "/ attribute tokens", expected: "\(profile.tokens), the most of any layer", found: "\(tokens)"
      )
    }
    return profile
  }

  private static func read(
    _ layer: Int, _ group: String, _ e: Int, _ k: Int, _ file: HDF5Reader
  ) throws(FileError) -> LayerProfile {
    let n = try file.info(group + "documents").shape.first ?? 0
    guard n <= mostRecorded else {
      throw .invalid(
        path: file.path, item: group + "documents", expected: "at most \(mostRecorded) recorded tokens", found: "\(n)")
    }
    func table(_ name: String, _ shape: [Int]) throws(FileError) -> [Float]? {
      guard try file.contains(group + name) else { return nil }
      let values = try read(group + name, shape, .float32, Float(0), file)
      if let bad = values.firstIndex(where: { !$0.isFinite }) {
        throw .invalid(
          path: file.path, item: group + name, expected: "finite numbers", found: "\(values[bad]) at element \(bad)")
      }
      return values
    }
    let sets = try read(group + "sets", [n, k], .int32, Int32(0), file)
    for row in 0..<n {
      let set = sets[row * k..<(row + 1) * k]
      let isAscending = zip(set, set.dropFirst()).allSatisfy { $0 < $1 }
      guard isAscending, set.allSatisfy({ (0..<e).contains(Int($0)) }) else {
        throw .invalid(
          path: file.path, item: group + "sets",
          expected: "\(k) different experts of \(e) in ascending order", found: "\(Array(set)) in row \(row)")
      }
    }
    let profile = LayerProfile(
      layer: layer, experts: e, topK: k, tokens: try file.integer(attribute: "tokens", of: "layers/\(layer)"),
      coactivation: try counts(group + "coactivation", [e, e], file), load: try counts(group + "load", [e], file),
      sets: sets,
      weights: try table("weights", [n, k]) ?? [],
      documents: try read(group + "documents", [n], .int32, Int32(0), file),
      cosineSimilarity: try table("logit_similarity", [e, e]),
      centeredSimilarity: try table("logit_similarity_centered", [e, e]),
      outputSimilarity: try table("output_similarity", [e, e]))
    do throws(LayerProfile.Contradiction) {
      try profile.check()
    } catch {
      throw .invalid(path: file.path, item: group + error.table, expected: error.expected, found: error.found)
    }
    return profile
  }

  private static func counts(_ dataset: String, _ shape: [Int], _ file: HDF5Reader) throws(FileError) -> [Int64] {
    let counts = try read(dataset, shape, .int64, Int64(0), file)
    if let bad = counts.firstIndex(where: { $0 < 0 }) {
      throw .invalid(
        path: file.path, item: dataset, expected: "counts of 0 or more", found: "\(counts[bad]) at element \(bad)")
    }
    return counts
  }

  private static func write<T: BitwiseCopyable>(
    _ values: [T], _ dataset: String, _ shape: [Int], _ type: ElementType, to file: borrowing HDF5Writer
  ) throws(FileError) {
    try values.withUnsafeBufferPointer { (values) throws(FileError) in
      try file.write(dataset, shape: shape, type: type, bytes: UnsafeRawBufferPointer(values))
    }
  }

  private static func read<T: BitwiseCopyable>(
    _ dataset: String, _ shape: [Int], _ type: ElementType, _ zero: T, _ file: HDF5Reader
  ) throws(FileError) -> [T] {
    // Shape and type are checked before memory is taken, and that there is data: a damaged extent must not become an
    // allocation of terabytes.
    let info = try file.info(dataset)
    guard info.shape == shape else {
      throw .shape(path: file.path, item: info.path, expected: shape, found: info.shape)
    }
    try file.checkHasData(dataset)
    var values = [T](repeating: zero, count: shape.reduce(1, *))
    try values.withUnsafeMutableBufferPointer { (values) throws(FileError) in
      try file.read(dataset, shape: shape, type: type, into: UnsafeMutableRawBufferPointer(values))
    }
    return values
  }
}
