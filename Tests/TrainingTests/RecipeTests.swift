import Foundation
import Models
import Testing

@testable import Training

@Suite struct RecipeTests {
  @Test func defaultsAreThoseOfTheDocumentation() throws {
    let recipe = try parse(minimal)
    var source = Recipe.Source(path: "/home/me/train.jsonl", format: .alpaca)
    source.weight = 1
    #expect(recipe == Recipe(model: "base.h5", data: .init(train: [source]), output: "runs/x"))
    #expect(recipe.data.validation == .share(0.05))
    #expect(recipe.routing.deviceLimit == nil)
    #expect(recipe.train.router == .full)
    #expect(recipe.train.attention == .frozen)
    #expect(recipe.optimizer.betas == [0.9, 0.95])
  }

  /// Every key with a value that is not the default.
  static let full = """
    version: 1
    model: "a: b.h5"
    data:
      train:
        - {path: a/*.jsonl, format: prompt_completion, column_map: {prompt: question, completion: "an: swer"}, weight: 2.5}
        - ../b.txt
      validation: {path: v.json, format: sharegpt}
      test: {path: t.json, format: chat}
      retention: r.txt
      profile: [p.txt, {path: /abs/q, format: text}]
      template: alpaca_newline
      loss_on: all
      max_tokens: 100
      packing: false
    routing: {devices: 8, placement: placements/p.json, load_cap: none, policy: best_mass, device_limit: 3, \
    device_limit_schedule: [[0, 7], [5, 3]], epsilon: 0.01, similarity: centered, \
    similarity_threshold: 0.2, group_score: max, partners: 9, weight_source: inherited, renormalize: original_mass_detached}
    train: {attention: full, experts: frozen, router: frozen, shared_experts: frozen, embeddings: full, norms: full, \
    router_learning_rate: 1e-7}
    loss: {aux: {kind: switch, coefficient: 0.5}, z: 0.001, collaboration: 0.2, collaboration_temperature: 1, distillation: {router: 0.1, \
    logits: 0.3, temperature: 2}}
    optimizer: {name: adamw, learning_rate: 1e-3, betas: [0, 0.999], epsilon: 1e-6, weight_decay: 0.1, clip: none}
    schedule: {name: linear, warmup_steps: 0, epochs: 3, max_steps: 7, batch_tokens: 200, accumulation: 4}
    run: {seed: 0, evaluate_every: 7, threads: 3, activation_checkpointing: true, keep_best: true,
      early_stopping: {patience: 2, min_delta: 0.5}}
    save: {every: none, keep: 9, dtype: bfloat16}
    parallel: {dispatch: naive, overlap: on, wire: bfloat16, nodes: 1}
    tasks: {names: [piqa, my/own.yaml], data: questions, folder: /abs/tasks, limit: 10, shots: 0, every: 5}
    study:
      arms: {standard: {routing.device_limit: none}, L2: , L1: {routing.device_limit: 1, routing.device_limit_schedule: null, routing.placement: q.json}}
      learning_rates: [1e-5, 0.1]
      seeds: [3, 1]
      rules: {mass: {routing.policy: mass}}
      matrix: own
      documents: 300
      keep_checkpoints: false
    output: runs/é
    """

  @Test func everyKeyIsReadAndWritten() throws {
    let recipe = try parse(Self.full)
    #expect(recipe.data.train[0].columnMap == ["prompt": "question", "completion": "an: swer"])
    #expect(recipe.data.train.map(\.path) == ["/home/me/a/*.jsonl", "/home/b.txt"])
    #expect(recipe.data.profile.map(\.path) == ["/home/me/p.txt", "/abs/q"])
    #expect(recipe.routing.placement == .file("/home/me/placements/p.json"))
    #expect(recipe.routing.loadCap == nil)
    #expect(recipe.tasks.names == ["piqa", "/home/me/my/own.yaml"] && recipe.tasks.data == "/home/me/questions")
    #expect(recipe.optimizer.clip == nil)
    #expect(recipe.parallel.overlap)
    #expect(recipe.study.arms.map(\.name) == ["standard", "L2", "L1"])

    // The resolved text means the same from any folder.
    let text = recipe.yaml()
    let again = try Recipe.parse(text, file: "elsewhere/recipe.yaml", checksFiles: false, workingFolder: "/other")
    #expect(again == recipe)
    #expect(again.yaml() == text)

    // Encoder and decoder know the same keys: a key forgotten in one of them fails here.
    let reader = RecipeReader(folders: .init(recipe: "/", working: "/"), checksFiles: false)
    _ = Recipe.decode(recipe.node, reader: reader, purpose: .finetune)
    #expect(reader.issues == [])
    let known = Set(reader.knownKeys.filter { !$0.contains("data.train.") && !$0.contains("data.test.") })
      .filter { !$0.hasPrefix("run.early_stopping.") }
      .filter { key in !["validation", "retention", "profile"].contains { key.hasPrefix("data.\($0).") } }
    let written = Set(recipe.leaves.map(\.0)).union(Recipe.sections)
    #expect(known == written)
    // Nothing kept its default, so a field that is not decoded fails here.
    let defaults = try parse(minimal)
    let same = recipe.leaves.filter { leaf in defaults.leaves.contains { $0 == leaf } }.map(\.0)
    #expect(
      same == [
        "version", "optimizer.name", "parallel.nodes",
      ])
  }

  @Test func limitsOfLayersAreReadAndWritten() throws {
    for (text, limit, limits, budget) in [
      ("[2, 1, 3]", 3, [2, 1, 3], nil), ("{auto: 1.5}", 2, nil, 1.5), ("none", nil, nil, nil),
    ] as [(String, Int?, [Int]?, Double?)] {
      let recipe = try parse(minimal + "routing: {device_limit: \(text)}\n")
      #expect(recipe.routing.deviceLimit == limit && recipe.routing.layerLimits == limits)
      #expect(recipe.routing.limitBudget == budget)
      #expect(try Recipe.parse(recipe.yaml(), file: "/r.yaml", checksFiles: false) == recipe)
      // A limit of its own takes the place of the whole.
      let one = try parse(minimal + "routing: {device_limit: \(text)}\n", "routing.device_limit=1")
      #expect(one.routing.deviceLimit == 1 && one.routing.layerLimits == nil && one.routing.limitBudget == nil)
    }
  }

  /// Both spellings read back; a schedule waits where an arm has no limit.
  @Test func schedulesOfLimitsAreReadAndWritten() throws {
    for (text, stages) in [
      ("{from: 4, steps: 50}", [[0, 4], [25, 3], [50, 2]]), ("{steps: 9}", [[0, 4], [4, 3], [9, 2]]),
      ("[[0, 4], [7, 2]]", [[0, 4], [7, 2]]), ("[[0, 2]]", [[0, 2]]), ("none", [[0, 2]]),
    ] {
      let recipe = try parse(
        minimal + "routing: {device_limit: 2, device_limit_schedule: \(text)}\n"
          + "study: {arms: {standard: {routing.device_limit: none}, L2: {}}}\n")
      #expect(recipe.routing.limitStages.map { [$0.step, $0.limit] } == stages)
      #expect(try Recipe.parse(recipe.yaml(), file: "r.yaml", checksFiles: false) == recipe)
      #expect(try recipe.arm("standard").routing.limitStages == [])
      #expect(try recipe.arm("L2").routing == recipe.routing)
    }
  }

  @Test func adaptersAreReadAndWritten() throws {
    let recipe = try parse(
      minimal + "train: {attention: {lora: {rank: 8}}, router: {lora: }, experts: {lora: {rank: 4, alpha: 6, "
        + "share: 0.25}}}\n",
      "train.attention.lora.alpha=10")
    #expect(recipe.train.attention == .lora(.init(rank: 8, alpha: 10)))
    #expect(recipe.train.experts == .lora(.init(rank: 4, alpha: 6, share: 0.25)))
    #expect(recipe.train.router == .lora(.init(rank: 16, alpha: 32)))
    #expect(recipe.train.fullRoles == [])
    #expect(Set(recipe.train.adaptedRoles.keys) == [.attention, .experts, .router])
    // Left out, alpha is twice the rank: the scale does not change with the rank.
    #expect(try parse(minimal, "train.router={lora: {rank: 3}}").train.router == .lora(.init(rank: 3, alpha: 6)))
    let again = try Recipe.parse(recipe.yaml(), file: "r.yaml", checksFiles: false, workingFolder: "/other")
    #expect(again == recipe && again.yaml() == recipe.yaml())

    var other = recipe
    other.train.experts = .lora(.init(rank: 4, alpha: 6))
    let differences = other.differences(from: recipe)
    #expect(
      differences.map(\.description) == [
        "train.experts: was {lora: {rank: 4, alpha: 6.0, share: 0.25}}, is {lora: {rank: 4, alpha: 6.0, share: 1.0}}"
      ])
    #expect(differences.allSatisfy { !$0.isHarmless } && other.contentHash() != recipe.contentHash())
  }

  /// What trains fully beside adapters is said: once a role has them, roles that are not named stay as they are.
  @Test(arguments: [
    ("{attention: {lora: {rank: 8}}}", [Role]()), ("{experts: {lora: {rank: 8}}, norms: full}", [.norms]),
    ("{router: {lora: {rank: 8}}, experts: full, shared_experts: full}", [.experts, .sharedExperts]),
    ("{attention: full}", [.attention, .experts, .router, .sharedExperts]),
    ("{embeddings: full, shared_experts: frozen}", [.experts, .router, .embeddings]),
  ])
  func unnamedRolesBesideAdapters(train: String, full: [Role]) throws {
    let recipe = try parse(minimal + "train: \(train)\n")
    #expect(recipe.train.fullRoles == Set(full))
    #expect(try Recipe.parse(recipe.yaml(), file: "r.yaml", checksFiles: false) == recipe)
  }

  /// α / √r is the plain scale of another α.
  @Test func rankStabilizedAdapters() throws {
    let recipe = try parse(minimal + "train: {attention: {lora: {rank: 16, alpha: 6, rslora: true}}}\n")
    let lora = try #require(recipe.train.attention.lora)
    #expect(lora.isRankStabilized && lora.alpha == 6 && lora.plainAlpha == 24)
    #expect(recipe.yaml().contains("\n      rslora: true\n"))
    #expect(try Recipe.parse(recipe.yaml(), file: "r.yaml", checksFiles: false) == recipe)
    let settings = try #require(AdapterPlan.sizes(recipe)).roles[.attention]
    #expect(settings == .init(rank: 16, alpha: 24) && settings?.scale == Float(6 / 16.0.squareRoot()))
    let plain = try parse(minimal + "train: {attention: {lora: {rank: 16, alpha: 6, rslora: false}}}\n")
    #expect(plain.train.attention == .lora(.init(rank: 16, alpha: 6)) && !plain.yaml().contains("rslora"))
    // Files hold α of the plain scale, and a run must not end in one that cannot be read.
    let error = #expect(throws: (any Error).self) {
      try parse(minimal + "train: {attention: {lora: {rank: 16, alpha: 1.0e+6, rslora: true}}}\n")
    }
    #expect("\(error as Any)".contains("with rslora, found 4000000.0"), "\(error as Any)")
  }

  @Test func resolvedTextOfDefaults() throws {
    let text = try parse(minimal + "study: {arms: {L1: {routing.device_limit: 1}}}\n").yaml()
    #expect(
      text.hasPrefix(
        """
        version: 1
        model: base.h5
        data:
          train:
            - {path: /home/me/train.jsonl, format: alpaca, column_map: {}, weight: 1.0}
          validation: 0.05
          test: []

        """))
    #expect(text.contains("  learning_rate: 2.0e-05\n  betas: [0.9, 0.95]\n"))
    #expect(
      text.contains(
        "study:\n  arms:\n    L1:\n      routing.device_limit: 1\n  rules: {}\n  matrix: full\n  learning_rates: []\n"))
  }

  @Test func overridesApplyInOrder() throws {
    let recipe = try parse(
      minimal + "optimizer: {learning_rate: 1e-3, clip: 2}\n", "routing.device_limit=1", "train.router=frozen",
      "optimizer={learning_rate: 1e-4}", "optimizer.betas=[0.8, 0.9]", "~optimizer.clip", "run.seed=2", "run.seed=3",
      "data.train={path: mine.txt}", "model=other.h5", "save.every=none", "routing.load_cap=")
    #expect(recipe.routing.deviceLimit == 1)
    #expect(recipe.train.router == .frozen)
    // A map for a section is merged …
    #expect(recipe.optimizer.learningRate == 1e-4)
    #expect(recipe.optimizer.betas == [0.8, 0.9])
    #expect(recipe.optimizer.clip == 1)
    #expect(recipe.run.seed == 3)
    // … and one for a source replaces it.
    #expect(recipe.data.train == [.init(path: "/home/me/mine.txt", format: .text)])
    #expect(recipe.model == "other.h5")
    #expect(recipe.save.every == nil)
    #expect(recipe.routing.loadCap == nil)
  }

  @Test func pathsStartWhereTheyWereWritten() throws {
    let recipe = try Recipe.parse(
      minimal, file: "recipes/deep/r.yaml", overrides: ["data.test={path: t.txt}"], checksFiles: false,
      workingFolder: "/home/me")
    #expect(recipe.data.train[0].path == "/home/me/recipes/deep/train.jsonl")
    #expect(recipe.data.test[0].path == "/home/me/t.txt")
    #expect(recipe.model == "base.h5")
  }

  @Test func armsChangeTheRecipe() throws {
    var recipe = try parse(
      minimal + """
        routing: {device_limit: 2}
        study:
          arms:
            standard: {routing.device_limit: none}
            L2: {}
            fast: {optimizer.learning_rate: 1e-2, train: {norms: full}, optimizer.betas: [0.5, 0.5]}
        """)
    #expect(try recipe.arm("standard").routing.deviceLimit == nil)
    #expect(try recipe.arm("L2") == recipe)
    let fast = try recipe.arm("fast")
    #expect(fast.optimizer.learningRate == 1e-2)
    #expect(fast.optimizer.betas == [0.5, 0.5])
    #expect(fast.train.norms == .full)
    #expect(fast.train.experts == .full)
    #expect(fast.routing.deviceLimit == 2)

    // Arms start from the value as it is, not from the text it once was.
    recipe.run.seed = 77
    #expect(try recipe.arm("fast").run.seed == 77)
    // A value changed by a program can make an arm impossible; the error points at the arm's text or the recipe.
    recipe.data.maxTokens = 5000
    #expect(throws: RecipeError.self) { try recipe.arm("fast") }
    #expect(
      throws: RecipeError([
        .init(
          position: .resolved, key: "study.arms",
          message: "expected one of standard, L2, fast, found 'fats'; did you mean 'fast'?")
      ])
    ) { try recipe.arm("fats") }
  }

  @Test func armErrorsPointAtTheArmAfterALongWay() throws {
    let recipe = try parse(minimal + "study:\n  arms:\n    none:\n      routing.policy: none\n")
    var limited = recipe
    limited.routing.deviceLimit = 2
    let error = #expect(throws: RecipeError.self) { try limited.arm("none") }
    #expect(
      error?.description
        == "r.yaml:8:7: routing.policy: expected a rule that limits devices, as device_limit is 2, found 'none'; try router"
    )
  }

  @Test func differencesNameKeys() throws {
    let before = try parse(minimal)
    let now = try parse(
      minimal, "optimizer.learning_rate=1e-5", "run.threads=2", "save.keep=3", "output=runs/y",
      "data.test={path: t.txt}",
      "study.seeds=[1, 2]")
    let differences = now.differences(from: before)
    #expect(
      differences.map(\.description) == [
        "data.test: was [], is [{path: /home/me/t.txt, format: text, column_map: {}, weight: 1.0}]",
        "optimizer.learning_rate: was 2.0e-05, is 1.0e-05",
        "run.threads: was auto, is 2",
        "save.keep: was 2, is 3",
        "study.seeds: was [], is [1, 2]",
        "output: was runs/x, is runs/y",
      ])
    #expect(differences.filter { !$0.isHarmless }.map(\.key) == ["optimizer.learning_rate", "output"])
    #expect(before.differences(from: before) == [])
    for key in Recipe.harmlessKeys {
      #expect(before.leaves.contains { $0.0 == key || $0.0.hasPrefix(key + ".") }, "no such key: \(key)")
    }
  }

  @Test func hashIsOfWhatARunComputes() throws {
    let recipe = try parse(minimal)
    let hash = recipe.contentHash()
    // Pinned: a hash that changes with the process or the version would throw caches away.
    #expect(hash == "1bcccbd1d7df961d")
    let elsewhere = try Recipe.parse(minimal, file: "x/r.yaml", checksFiles: false, workingFolder: "/elsewhere")
    #expect(elsewhere.contentHash() == hash)
    #expect(try parse(minimal, "output=z", "run.threads=5", "study.seeds=[3]").contentHash() == hash)
    #expect(try parse(minimal, "run.seed=2").contentHash() != hash)
    #expect(try parse(minimal, "data.train.path=other.jsonl").contentHash() != hash)
    #expect(try parse(minimal, "output=z").contentHash(ignoring: []) != recipe.contentHash(ignoring: []))
  }

  @Test(arguments: [
    (2e-5, "2.0e-05"), (1e-7, "1.0e-07"), (1.5e-5, "1.5e-05"), (0.1, "0.1"), (3, "3.0"), (1e300, "1.0e+300"),
    (0, "0.0"),
  ])
  func numbersReadBack(value: Double, text: String) {
    #expect(RecipeNode.double(value).flow == text)
    #expect(RecipeNode.word(text).double == value)
  }

  @Test(arguments: [
    "plain", "true", "1", "a b ", "", "x: y", "it's \"q\" \\ \n\t\u{7}é\u{1F600}\u{E001}", "[a", "- a", "~", "#",
  ])
  func textReadsBack(text: String) {
    var issues: [RecipeError.Issue] = []
    let node = RecipeNode.map([("key", .text(text)), ("list", .list([.text(text)]))])
    let again = RecipeNode.parse(node.yaml(), issues: &issues) { _, _ in .resolved }
    #expect(issues == [])
    #expect(again?["key"]?.string == text)
  }
}
