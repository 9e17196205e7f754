extension Recipe {
  /// Decodes a tree completely; issues go to `reader`, and the recipe is of use only if there are none.
  static func decode(_ root: RecipeNode, reader: RecipeReader, purpose: Purpose) -> Recipe {
    let top = RecipeSection(root, path: "", position: root.position, reader: reader)
    decodeVersion(top)
    let model = top.requiredText("model", hint: "a checkpoint or a Hugging Face folder")
    if reader.checksFiles, !model.isEmpty { RecipeFiles.checkModel(model, in: top) }
    var recipe = Recipe(model: model, data: top.section("data", decodeData), output: "")
    recipe.routing = top.section("routing", decodeRouting)
    recipe.train = top.section("train", decodeTrain)
    recipe.loss = top.section("loss", decodeLoss)
    if recipe.loss.collaboration > 0, recipe.routing.devices == 1 {
      reader.report(
        "loss.collaboration", top.position(of: "loss"),
        "expected routing.devices of at least 2, as a token cannot reach fewer devices than one, found 1")
    }
    recipe.optimizer = top.section("optimizer", decodeOptimizer)
    recipe.schedule = top.section("schedule") { decodeSchedule($0, maxTokens: recipe.data.maxTokens) }
    let hasValidation = recipe.data.validation != .share(0)
    recipe.run = top.section("run") { decodeRun($0, hasValidation: hasValidation) }
    recipe.save = top.section("save", decodeSave)
    recipe.parallel = top.section("parallel") { decodeParallel($0, devices: recipe.routing.devices) }
    recipe.tasks = top.section("tasks", decodeTasks)
    recipe.study = top.section("study") { decodeStudy($0, purpose: purpose) }
    recipe.output = top.requiredText("output", hint: "a folder for the run")
    top.finish()
    reader.finish()
    if purpose == .study, recipe.data.test.isEmpty, !reader.issues.contains(where: { $0.key.hasPrefix("data.test") }) {
      reader.report("data.test", top.position(of: "data"), "expected test data for a study, found none")
    }
    RecipeFiles.checkDisjoint(reader)
    return recipe
  }

  private static func decodeVersion(_ top: RecipeSection) {
    guard let node = top.node("version") else {
      top.reader.report("version", top.position, "expected 'version: \(currentVersion)', found no such key")
      return
    }
    if node.int != currentVersion { top.report("version", "expected \(currentVersion), found \(node.found)") }
  }

  private static func decodeRouting(_ section: RecipeSection) -> Routing {
    var routing = Routing()
    routing.devices = section.int("devices", in: 1...RecipeSection.mostExperts, default: routing.devices)
    routing.placement = decodePlacement(section, default: routing.placement)
    routing.loadCap = section.optionalDouble("load_cap", .loadCap, default: routing.loadCap)
    routing.policy = section.choice("policy", default: routing.policy)
    decodeLimit(section, &routing)
    routing.deviceLimitSchedule = LimitSchedule.decode(section, to: routing.deviceLimit, devices: routing.devices)
    if routing.deviceLimitSchedule != nil, routing.layerLimits != nil || routing.limitBudget != nil {
      section.report("device_limit_schedule", "expected a device_limit of one number to end at, found limits by layer")
    }
    routing.epsilon = section.double("epsilon", .share, default: routing.epsilon)
    routing.similarity = section.choice("similarity", default: routing.similarity)
    routing.similarityThreshold = section.value(
      "similarity_threshold", default: routing.similarityThreshold, expected: "a number from -1 to 1"
    ) { node in node.double.flatMap { (-1...1).contains($0) ? $0 : nil } }
    routing.groupScore = section.choice("group_score", default: routing.groupScore)
    routing.partners = section.optionalInt(
      "partners", in: 1...RecipeSection.mostExperts, or: "auto", default: routing.partners)
    routing.weightSource = section.choice("weight_source", default: routing.weightSource)
    routing.renormalize = section.choice("renormalize", default: routing.renormalize)
    if routing.policy == .none, let limit = routing.deviceLimit {
      section.report(
        "policy", "expected a rule that limits devices, as device_limit is \(limit), found 'none'; try router")
    }
    return routing
  }

  /// A number, a list of them, or the devices to spend as layers need them.
  private static func decodeLimit(_ section: RecipeSection, _ routing: inout Routing) {
    switch section.node("device_limit")?.content {
    case .list(let items)?:
      let limits = items.compactMap(\.int).filter { (1...RecipeSection.mostExperts).contains($0) }
      guard limits.count == items.count, !limits.isEmpty else {
        return section.report(
          "device_limit",
          "expected an integer in 1...\(RecipeSection.mostExperts) for each MoE layer, found another list")
      }
      routing.setLimits(limits)
    case .map(let entries)?:
      guard entries.count == 1, entries[0].key == "auto", let budget = entries[0].value.double, budget >= 1,
        budget <= Double(routing.devices)
      else {
        return section.report(
          "device_limit", "expected {auto: mean devices_per_token}, from 1 to \(routing.devices) devices, found a map")
      }
      routing.deviceLimit = Int(budget.rounded(.up))
      routing.limitBudget = budget
    default:
      routing.deviceLimit = section.optionalInt(
        "device_limit", in: 1...RecipeSection.mostExperts, default: routing.deviceLimit)
    }
  }

  private static func decodePlacement(_ section: RecipeSection, default fallback: Placement) -> Placement {
    guard let node = section.node("placement") else { return fallback }
    if let text = node.string, text.hasSuffix(".json") {
      let path = RecipeFiles.resolve(text, at: node.position, section.reader)
      if section.reader.checksFiles { RecipeFiles.checkFile(path, written: text, key: "placement", in: section) }
      return .file(path)
    }
    if let method = node.string.flatMap(PlacementMethod.init(rawValue:)) { return .method(method) }
    let words = PlacementMethod.allCases.map(\.rawValue) + ["a placement file (.json)"]
    section.reportChoice("placement", found: node, among: words)
    return fallback
  }

  private static func decodeTrain(_ section: RecipeSection) -> TrainRoles {
    var train = TrainRoles()
    let written = section.reader.issues.count
    train.attention = decodeMode(section, "attention", default: train.attention)
    train.experts = decodeMode(section, "experts", default: train.experts)
    train.router = decodeMode(section, "router", default: train.router)
    train.sharedExperts = decodeMode(section, "shared_experts", default: train.sharedExperts)
    train.embeddings = decodeMode(section, "embeddings", default: train.embeddings)
    train.norms = decodeMode(section, "norms", default: train.norms)
    train.routerLearningRate = section.optionalDouble(
      "router_learning_rate", .positive, default: train.routerLearningRate)
    if !train.adaptedRoles.isEmpty {
      train.freeze(Set(train.modes.map(\.role.rawValue).filter { section.node($0) == nil }))
    }
    let modes = train.modes.map(\.mode)
    if section.reader.issues.count == written, modes.allSatisfy({ $0 == .frozen }) {
      section.reader.report(section.path, section.position, "expected a role to train, found all frozen")
    }
    return train
  }

  private static func decodeMode(_ section: RecipeSection, _ key: String, default fallback: TrainMode) -> TrainMode {
    guard let node = section.node(key) else { return fallback }
    if let mode = TrainMode.words[node.string ?? ""] { return mode }
    if case .map = node.content { return decodeAdapters(section, key, default: fallback) }
    if node.string == "lora" {
      section.report(key, "expected lora with its keys, like {lora: {rank: 16}}, found 'lora'")
    } else {
      section.reportChoice(key, found: node, among: trainWords(key))
    }
    return fallback
  }

  private static func decodeLoss(_ section: RecipeSection) -> Loss {
    var loss = Loss()
    loss.aux = section.section("aux") { section in
      var aux = Auxiliary()
      aux.kind = section.choice("kind", default: aux.kind)
      aux.coefficient = section.double("coefficient", .notNegative, default: aux.coefficient)
      return aux
    }
    loss.z = section.double("z", .notNegative, default: loss.z)
    loss.collaboration = section.double("collaboration", .notNegative, default: loss.collaboration)
    loss.collaborationTemperature = section.double(
      "collaboration_temperature", .positive, default: loss.collaborationTemperature)
    loss.distillation = section.section("distillation") { section in
      var distillation = Distillation()
      distillation.router = section.double("router", .notNegative, default: distillation.router)
      distillation.logits = section.double("logits", .notNegative, default: distillation.logits)
      distillation.temperature = section.double("temperature", .positive, default: distillation.temperature)
      return distillation
    }
    return loss
  }
}
