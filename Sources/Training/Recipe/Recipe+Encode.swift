extension Recipe {
  /// The resolved recipe as YAML: every key in a fixed order, defaults included. Reading it gives an equal recipe,
  /// from whatever folder.
  public func yaml() -> String { node.yaml() }

  /// The tree that `decode` reads.
  var node: RecipeNode {
    .map([
      ("version", .int(version)),
      ("model", .text(model)),
      ("data", dataNode),
      ("routing", routingNode),
      ("train", trainNode),
      (
        "loss",
        .map([
          ("aux", .map([("kind", .text(loss.aux.kind.rawValue)), ("coefficient", .double(loss.aux.coefficient))])),
          ("z", .double(loss.z)),
          ("collaboration", .double(loss.collaboration)),
          ("collaboration_temperature", .double(loss.collaborationTemperature)),
          (
            "distillation",
            .map([
              ("router", .double(loss.distillation.router)), ("logits", .double(loss.distillation.logits)),
              ("temperature", .double(loss.distillation.temperature)),
            ])
          ),
        ])
      ),
      ("optimizer", optimizerNode),
      (
        "schedule",
        .map([
          ("name", .text(schedule.name.rawValue)),
          ("warmup_steps", .int(schedule.warmupSteps)),
          ("epochs", .int(schedule.epochs)),
          ("max_steps", schedule.maxSteps.map(RecipeNode.int) ?? .word("null")),
          ("batch_tokens", .int(schedule.batchTokens)),
          ("accumulation", .int(schedule.accumulation)),
        ])
      ),
      (
        "run",
        .map([
          ("seed", .int(run.seed)),
          ("evaluate_every", run.evaluateEvery.map(RecipeNode.int) ?? .word("none")),
          ("threads", run.threads.map(RecipeNode.int) ?? .word("auto")),
          ("activation_checkpointing", .word(run.activationCheckpointing ? "true" : "false")),
          ("keep_best", .word(run.keepsBest ? "true" : "false")),
          ("early_stopping", earlyStoppingNode),
        ])
      ),
      (
        "save",
        .map([
          ("every", save.every.map(RecipeNode.int) ?? .word("none")),
          ("keep", .int(save.keep)),
          ("dtype", save.dtype.map { .text($0.rawValue) } ?? .word("null")),
        ])
      ),
      (
        "parallel",
        .map([
          ("dispatch", .text(parallel.dispatch.rawValue)),
          ("overlap", .word(parallel.overlap ? "on" : "off")),
          ("wire", .text(parallel.wire.rawValue)),
          ("nodes", .int(parallel.nodes)),
        ])
      ),
      ("tasks", tasksNode),
      ("study", studyNode),
      ("output", .text(output)),
    ])
  }

  private var earlyStoppingNode: RecipeNode {
    guard let stopping = run.earlyStopping else { return .word("none") }
    return .map([("patience", .int(stopping.patience)), ("min_delta", .double(stopping.minDelta))])
  }

  private var dataNode: RecipeNode {
    var entries: [(String, RecipeNode)] = [("train", Self.sources(data.train))]
    switch data.validation {
    case .share(let share): entries.append(("validation", .double(share)))
    case .sources(let sources): entries.append(("validation", Self.sources(sources)))
    }
    entries += [
      ("test", Self.sources(data.test)),
      ("retention", Self.sources(data.retention)),
      ("profile", Self.sources(data.profile)),
      ("template", .text(data.template.rawValue)),
      ("loss_on", .text(data.lossOn.rawValue)),
      ("max_tokens", .int(data.maxTokens)),
      ("on_unsupported", .text(data.onUnsupported.rawValue)),
      ("packing", .word(data.packing ? "true" : "false")),
    ]
    return .map(entries)
  }

  private static func sources(_ sources: [Source]) -> RecipeNode {
    .list(
      sources.map { source in
        let columns = source.columnMap.sorted { $0.key < $1.key }.map { ($0.key, RecipeNode.text($0.value)) }
        return .map([
          ("path", .text(source.path)),
          ("format", .text(source.format.rawValue)),
          ("column_map", .map(columns)),
          ("weight", .double(source.weight)),
        ])
      })
  }

  private var routingNode: RecipeNode {
    let placement: RecipeNode =
      switch routing.placement {
      case .method(let method): .text(method.rawValue)
      case .file(let path): .text(path)
      }
    return .map([
      ("devices", .int(routing.devices)),
      ("placement", placement),
      ("load_cap", routing.loadCap.map(RecipeNode.double) ?? .word("none")),
      ("policy", .word(routing.policy.rawValue)),
      ("device_limit", routing.limitNode),
      ("device_limit_schedule", routing.deviceLimitSchedule?.node ?? .word("null")),
      ("epsilon", .double(routing.epsilon)),
      ("similarity", .text(routing.similarity.rawValue)),
      ("similarity_threshold", .double(routing.similarityThreshold)),
      ("group_score", .text(routing.groupScore.rawValue)),
      ("partners", routing.partners.map(RecipeNode.int) ?? .word("auto")),
      ("weight_source", .text(routing.weightSource.rawValue)),
      ("renormalize", .text(routing.renormalize.rawValue)),
    ])
  }

  private var trainNode: RecipeNode {
    .map([
      ("attention", train.attention.node),
      ("experts", train.experts.node),
      ("router", train.router.node),
      ("shared_experts", train.sharedExperts.node),
      ("embeddings", train.embeddings.node),
      ("norms", train.norms.node),
      ("router_learning_rate", train.routerLearningRate.map(RecipeNode.double) ?? .word("null")),
    ])
  }

  private var optimizerNode: RecipeNode {
    .map([
      ("name", .text(optimizer.name.rawValue)),
      ("learning_rate", .double(optimizer.learningRate)),
      ("betas", .list(optimizer.betas.map(RecipeNode.double))),
      ("epsilon", .double(optimizer.epsilon)),
      ("weight_decay", .double(optimizer.weightDecay)),
      ("clip", optimizer.clip.map(RecipeNode.double) ?? .word("none")),
    ])
  }

  private var tasksNode: RecipeNode {
    .map([
      ("names", .list(tasks.names.map(RecipeNode.text))),
      ("data", tasks.data.isEmpty ? .word("null") : .text(tasks.data)),
      ("folder", tasks.folder.map(RecipeNode.text) ?? .word("null")),
      ("limit", tasks.limit.map(RecipeNode.int) ?? .word("all")),
      ("shots", tasks.shots.map(RecipeNode.int) ?? .word("auto")),
      ("every", tasks.every.map(RecipeNode.int) ?? .word("none")),
    ])
  }

  private var studyNode: RecipeNode {
    func node(_ arms: [Arm]) -> RecipeNode {
      .map(arms.map { arm in (arm.name, .map(arm.overrides.map { ($0.key, Self.parsed($0.value)) })) })
    }
    return .map([
      ("arms", node(study.arms)),
      ("rules", node(study.rules)),
      ("matrix", .word(study.matrix.rawValue)),
      ("learning_rates", .list(study.learningRates.map(RecipeNode.double))),
      ("seeds", .list(study.seeds.map(RecipeNode.int))),
      ("documents", study.documents.map(RecipeNode.int) ?? .word("all")),
      ("keep_checkpoints", .word(study.keepsCheckpoints ? "true" : "false")),
    ])
  }

  /// The value of an arm's override, which is YAML already. `flow` of the result is the same text again.
  private static func parsed(_ value: String) -> RecipeNode {
    var issues: [RecipeError.Issue] = []
    return RecipeNode.parse(value, issues: &issues) { _, _ in .resolved } ?? .word("null")
  }
}

extension Recipe.Routing {
  /// L as it is written.
  fileprivate var limitNode: RecipeNode {
    if let limitBudget { return .map([("auto", .double(limitBudget))]) }
    if let layerLimits { return .list(layerLimits.map(RecipeNode.int)) }
    return deviceLimit.map(RecipeNode.int) ?? .word("none")
  }
}
