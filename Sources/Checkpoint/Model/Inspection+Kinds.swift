internal import Files
internal import Placements
internal import Profiles
internal import Models

// What is said about each kind of file.
extension Inspection {
  /// Sizes, parameters by role and type, routing.
  mutating func describe(model files: ModelFiles) throws {
    describe(sizes: files.configuration)
    let tokenizers = [
      files.tokenizerJSON.map { _ in HubFiles.tokenizerName },
      files.tokenizerModel.map { _ in HubFiles.tokenizerModelName },
    ].compactMap(\.self)
    add("tokenizer", tokenizers.isEmpty ? "none" : "stored, " + tokenizers.joined(separator: ", "))
    describe(text: files.configuration)
    if let base = files.base {
      let held = (files.adapters == nil ? [] : ["adapters"]) + base.roles
      add("partial", "holds \(held.joined(separator: ", ")) alone, the rest is read from its base")
      add("base", "\(base.path), \(base.bytes) bytes, \(BaseReference.words(base.checksum))")
    }
    if let adapters = files.adapters { add("adapters", adapters.words(files.configuration)) }
    let parameters = try files.inventory()
    add("parameters", parameters.reduce(0) { $0 + $1.count })
    if !files.unused.isEmpty { add("left out", Self.list(files.unused)) }
    share(parameters)
    describe(routing: files.routing)
  }

  /// Parameters by role and type, and each one's name unless the file's own arrays are listed.
  mutating func share(_ parameters: [StoredParameter]) {
    roles = Role.allCases.compactMap { role in Self.share(role.rawValue, parameters.filter { $0.path.role == role }) }
    types = ElementType.allCases.compactMap { type in
      Self.share(type.description, parameters.filter { $0.type == type })
    }
    if items.isEmpty {
      items = parameters.map {
        Item(name: $0.path.name, shape: $0.shape, type: $0.type.description, layout: nil, filters: [])
      }
    }
  }

  /// Placement and limit.
  mutating func describe(routing: RoutingSettings?) {
    guard let routing else { return add("routing", "no placement, no limit") }
    add("devices", routing.placement.devices)
    add("policy", routing.policy.rawValue)
    add(
      "device_limit",
      routing.layerLimits.map { $0.map(String.init).joined(separator: ", ") }
        ?? routing.deviceLimit.map { "\($0)" } ?? "none")
    add("weight_source", routing.weightSource.rawValue)
    add("renormalize", routing.renormalization.rawValue)
  }

  /// What a configuration says of a model's sizes.
  mutating func describe(sizes c: ModelConfiguration) {
    add("model_type", c.modelType)
    let dense = c.layers - c.sparseLayers.count
    add("layers", dense == 0 ? "\(c.layers)" : "\(c.layers), \(dense) of them dense")
    add("hidden", c.hidden)
    let heads = c.attention
    add(
      "heads", heads.heads == heads.kvHeads ? "\(heads.heads)" : "\(heads.heads), \(heads.kvHeads) for keys and values")
    if let latent = heads.latent { add("latent attention", "rank \(latent.keyValueRank) for keys and values") }
    add("experts", "\(c.experts) of width \(c.intermediate), top \(c.topK) a token")
    if case .groupLimited(let groups, let kept) = c.selection {
      add("groups", "\(groups), \(kept) of them for a token")
    }
    if let shared = c.shared { add("shared expert", "width \(shared.intermediate)") }
    add("vocabulary", c.vocabulary)
    add("context", c.maxPositions)
  }

  /// Where the run stands that wrote a checkpoint.
  mutating func describeRun(_ file: HDF5Reader) throws(FileError) {
    if case .string(let program)? = try file.attribute("created_by") { add("created_by", program) }
    add("recipe", try file.contains("recipe_yaml") ? "stored" : "none")
    guard try file.contains("training") else { return add("training state", "none") }
    let step = try file.integer(attribute: "step", of: "training")
    let tokens = try file.integer(attribute: "tokens", of: "training")
    add("training state", "step \(step), \(tokens) tokens")
  }

  mutating func describe(profile: CollaborationProfile) {
    add("model_type", profile.modelType ?? "unknown")
    add("data", profile.data)
    add("tokens", profile.tokens)
    add("experts", "\(profile.experts), top \(profile.topK) a token")
    add("layers", profile.layers.map { "\($0.layer)" }.joined(separator: ", "))
    add("recorded sets", profile.layers.map(\.recorded).max() ?? 0)
    let similarities = [
      ("of router logits", profile.layers.allSatisfy { $0.cosineSimilarity != nil }),
      ("of outputs", profile.layers.allSatisfy { $0.outputSimilarity != nil }),
    ].filter(\.1).map(\.0)
    add("similarity", similarities.isEmpty ? "none" : similarities.joined(separator: ", "))
  }

  mutating func describe(placement: Placement) {
    add("model_type", placement.modelType ?? "unknown")
    add("experts", placement.experts)
    add("devices", placement.devices)
    add("layers", placement.layers.map { "\($0.layer)" }.joined(separator: ", "))
    let predictions = placement.layers.compactMap(\.predicted)
    guard !predictions.isEmpty else { return add("predicted", "nothing") }
    func mean(_ value: (Prediction) -> Double) -> String {
      let mean = predictions.map(value).reduce(0, +) / Double(predictions.count)
      return "\((mean * 1000).rounded() / 1000), mean over layers"
    }
    add("devices_per_token", mean(\.devicesPerToken))
    add("imbalance", mean(\.imbalance))
    add("remote_copies", mean(\.remoteCopies))
    add("intra_share", mean(\.intraShare))
  }

  /// Every dataset with its type and filters.
  mutating func list(_ file: HDF5Reader) throws(FileError) {
    for path in try file.datasets() {
      let info = try file.info(path)
      let layout =
        switch info.storage {
        case .contiguous: "contiguous"
        case .compact: "compact"
        case .chunked(let extents): "chunked \(extents)"
        }
      items.append(
        Item(
          name: info.path, shape: info.shape, type: info.type.description, layout: layout, filters: info.filters))
    }
  }

  /// The first names, and how many there are besides.
  private static func list(_ names: [String]) -> String {
    names.prefix(2).joined(separator: ", ") + (names.count > 2 ? " and \(names.count - 2) more" : "")
  }

  mutating func add(_ name: String, _ value: Int) { add(name, "\(value)") }
  mutating func add(_ name: String, _ value: String) { facts.append(Fact(name: name, value: value)) }

  private static func share(_ name: String, _ parameters: [StoredParameter]) -> Share? {
    if parameters.isEmpty { return nil }
    return Share(
      name: name, tensors: parameters.count, elements: parameters.reduce(0) { $0 + $1.count },
      bytes: parameters.reduce(0) { $0 + $1.byteCount })
  }
}
