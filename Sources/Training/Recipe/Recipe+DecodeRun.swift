extension Recipe {
  static func decodeOptimizer(_ section: RecipeSection) -> Optimizer {
    var optimizer = Optimizer()
    optimizer.name = section.choice("name", planned: ["sgd"], default: optimizer.name)
    optimizer.learningRate = section.double("learning_rate", .positive, default: optimizer.learningRate)
    optimizer.betas = section.value(
      "betas", default: optimizer.betas, expected: "two numbers from 0 to below 1, like [0.9, 0.95]"
    ) { node in
      guard case .list(let items) = node.content, items.count == 2 else { return nil }
      let betas = items.compactMap(\.double).filter(NumberRule.share.admits)
      return betas.count == 2 ? betas : nil
    }
    optimizer.epsilon = section.double("epsilon", .positive, default: optimizer.epsilon)
    optimizer.weightDecay = section.double("weight_decay", .notNegative, default: optimizer.weightDecay)
    optimizer.clip = section.optionalDouble("clip", .positive, default: optimizer.clip)
    return optimizer
  }

  static func decodeSchedule(_ section: RecipeSection, maxTokens: Int) -> Schedule {
    var schedule = Schedule()
    schedule.name = section.choice("name", default: schedule.name)
    schedule.warmupSteps = section.int("warmup_steps", in: 0...RecipeSection.mostCount, default: schedule.warmupSteps)
    schedule.epochs = section.int("epochs", in: 1...Schedule.mostEpochs, default: schedule.epochs)
    schedule.maxSteps = section.optionalInt(
      "max_steps", in: 1...RecipeSection.mostCount, or: "null", default: schedule.maxSteps)
    schedule.batchTokens = section.int("batch_tokens", in: 1...Schedule.mostBatchTokens, default: schedule.batchTokens)
    schedule.accumulation = section.int(
      "accumulation", in: 1...Schedule.mostAccumulation, default: schedule.accumulation)
    if schedule.batchTokens < maxTokens {
      let message = "expected at least data.max_tokens = \(maxTokens), or the longest sample fits no batch, found "
      section.report("batch_tokens", message + "'\(schedule.batchTokens)'")
    }
    if let steps = schedule.maxSteps, schedule.warmupSteps > steps {
      section.report("warmup_steps", "expected at most max_steps = \(steps), found '\(schedule.warmupSteps)'")
    }
    return schedule
  }

  static func decodeRun(_ section: RecipeSection, hasValidation: Bool) -> Run {
    var run = Run()
    run.seed = section.int("seed", in: 0...(.max), default: run.seed)
    run.evaluateEvery = section.optionalInt(
      "evaluate_every", in: 1...RecipeSection.mostCount, default: run.evaluateEvery)
    run.threads = section.optionalInt("threads", in: 1...Run.mostThreads, or: "auto", default: run.threads)
    run.activationCheckpointing = section.bool("activation_checkpointing", default: run.activationCheckpointing)
    run.keepsBest = section.bool("keep_best", default: run.keepsBest)
    run.earlyStopping = decodeEarlyStopping(section)
    for (key, isOn) in [("keep_best", run.keepsBest), ("early_stopping", run.earlyStopping != nil)] where isOn {
      if run.evaluateEvery == nil {
        section.report(key, "expected run.evaluate_every: steps between validations, found none")
      } else if !hasValidation {
        section.report(key, "expected validation data, found data.validation: 0")
      }
    }
    return run
  }

  private static func decodeEarlyStopping(_ section: RecipeSection) -> EarlyStopping? {
    guard let node = section.node("early_stopping"), !node.isNone else { return nil }
    guard case .map = node.content else {
      section.report("early_stopping", "expected {patience: validations, min_delta: nats} or none, found \(node.found)")
      return nil
    }
    return section.section("early_stopping") { section in
      guard section.node("patience") != nil else {
        section.report("patience", "expected a number of validations, found no such key")
        return nil
      }
      return EarlyStopping(
        patience: section.int("patience", in: 1...RecipeSection.mostCount, default: 1),
        minDelta: section.double("min_delta", .notNegative, default: 0))
    }
  }

  static func decodeSave(_ section: RecipeSection) -> Save {
    var save = Save()
    save.every = section.optionalInt("every", in: 1...RecipeSection.mostCount, default: save.every)
    save.keep = section.int("keep", in: 1...RecipeSection.mostCount, default: save.keep)
    if let node = section.node("dtype"), !node.isNone {
      if let type = node.string.flatMap(SaveType.init(rawValue:)) {
        save.dtype = type
      } else {
        section.reportChoice("dtype", found: node, among: ["null"] + SaveType.allCases.map(\.rawValue))
      }
    }
    return save
  }

  static func decodeParallel(_ section: RecipeSection, devices: Int) -> Parallel {
    var parallel = Parallel()
    parallel.dispatch = section.choice("dispatch", default: parallel.dispatch)
    parallel.overlap = section.value("overlap", default: parallel.overlap, expected: "on or off", \.bool)
    parallel.wire = section.choice("wire", planned: ["float16"], default: parallel.wire)
    parallel.nodes = section.int("nodes", in: 1...RecipeSection.mostExperts, default: parallel.nodes)
    if devices % parallel.nodes != 0 {
      section.report("nodes", "expected a divisor of routing.devices, which is \(devices), found \(parallel.nodes)")
    } else if parallel.nodes > 1, parallel.dispatch == .naive {
      section.report(
        "nodes",
        "expected 1 where parallel.dispatch is naive, found \(parallel.nodes); try parallel.dispatch=deduplicated")
    }
    return parallel
  }

  static func decodeStudy(_ section: RecipeSection, purpose: Purpose) -> Study {
    var study = Study()
    study.arms = decodeArms(section, key: "arms")
    study.rules = decodeArms(section, key: "rules")
    for rule in study.rules where study.arms.contains(where: { $0.name == rule.name }) {
      section.report("rules", "expected names that no arm has, found '\(rule.name)' among both")
    }
    study.matrix = section.choice("matrix", default: study.matrix)
    study.learningRates = section.value(
      "learning_rates", default: [], expected: "a list of different numbers above 0"
    ) { node in
      guard case .list(let items) = node.content else { return nil }
      let rates = items.compactMap(\.double).filter(NumberRule.positive.admits)
      return rates.count == items.count && Set(rates).count == rates.count ? rates : nil
    }
    study.seeds = section.value(
      "seeds", default: [], expected: "a list of different integers of at least 0"
    ) { node in
      guard case .list(let items) = node.content else { return nil }
      let seeds = items.compactMap(\.int).filter { $0 >= 0 }
      return seeds.count == items.count && Set(seeds).count == seeds.count ? seeds : nil
    }
    study.documents = section.optionalInt(
      "documents", in: 1...RecipeSection.mostCount, or: "all", default: study.documents)
    study.keepsCheckpoints = section.bool("keep_checkpoints", default: study.keepsCheckpoints)
    if purpose == .study, study.arms.isEmpty, !section.reader.issues.contains(where: { $0.key.hasPrefix("study") }) {
      section.report("arms", "expected at least one arm for a study, like {standard: {}}, found none")
    }
    return study
  }

  private static func decodeArms(_ section: RecipeSection, key name: String) -> [Arm] {
    guard let node = section.node(name), !node.isNull else { return [] }
    guard case .map(let entries) = node.content else {
      section.report(name, "expected a map from names to overrides, found \(node.found)")
      return []
    }
    return entries.map { entry in
      let key = section.path(of: name) + "." + entry.key
      if !isFileName(entry.key) {
        let message =
          "expected a name of letters, digits, '.', '_' and '-', which becomes a folder, found '\(entry.key)'"
        section.reader.report(key, entry.position, message)
      } else if entry.key == "base" {
        section.reader.report(key, entry.position, "'base' names the model before fine-tuning; choose another name")
      }
      return Arm(name: entry.key, overrides: decodeOverrides(entry.value, key: key, reader: section.reader))
    }
  }

  private static func decodeOverrides(_ node: RecipeNode, key: String, reader: RecipeReader) -> [ArmOverride] {
    if node.isNull { return [] }
    guard case .map(let entries) = node.content else {
      reader.report(
        key, node.position, "expected a map of overrides, like {routing.device_limit: 1}, found \(node.found)")
      return []
    }
    return entries.map { entry in
      var value = entry.value
      // The arm is applied later, perhaps from a resolved recipe elsewhere: its path must not depend on the folder.
      if entry.key == "routing.placement", let text = value.string, text.hasSuffix(".json") {
        value = .text(RecipeFiles.resolve(text, at: value.position, reader))
      }
      return ArmOverride(key: entry.key, value: value.flow, position: entry.position)
    }
  }

  private static func isFileName(_ name: String) -> Bool {
    !name.isEmpty && !name.hasPrefix(".")
      && name.unicodeScalars.allSatisfy { scalar in
        ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar)
          || "._-".unicodeScalars.contains(scalar)
      }
  }
}
