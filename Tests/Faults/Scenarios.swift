extension Scenario {
  private static let data = ["base.h5", "data"]

  /// All of them: every command that writes.
  static let all: [Scenario] = small + measure + adapters + convert + finetune + study + ranks

  private static let finetune: [Scenario] = [
    Scenario(
      name: "finetune/plain", inputs: data + ["plain.yaml"], arguments: ["finetune", "plain.yaml"], outputs: ["run"]),
    Scenario(
      name: "finetune/best-tasks", inputs: data + ["best.yaml", "results-a"], arguments: ["finetune", "best.yaml"],
      outputs: ["run"], groups: [scored("run/tasks")]),
    Scenario(
      name: "finetune/lora", inputs: data + ["lora.yaml"], arguments: ["finetune", "lora.yaml"], outputs: ["run"]),
    Scenario(
      name: "finetune/resume", inputs: data + ["plain.yaml"], earlier: [("half-run", "run")],
      arguments: ["finetune", "plain.yaml", "--resume"], outputs: ["run"]),
    Scenario(
      name: "finetune/overwrite", inputs: data + ["plain.yaml"], earlier: [("old-run", "run")],
      arguments: ["finetune", "plain.yaml", "--overwrite"], outputs: ["run"],
      groups: [Group(path: "run", reader: nil)]),
    Scenario(
      name: "finetune/overwrite-best", inputs: data + ["best.yaml", "results-a"], earlier: [("old-best", "run")],
      arguments: ["finetune", "best.yaml", "--overwrite"], outputs: ["run"],
      groups: [scored("run/tasks"), Group(path: "run", reader: nil)]),
  ]

  private static let study: [Scenario] = [
    Scenario(
      name: "study/plain", inputs: data + ["study.yaml"], arguments: ["study", "study.yaml", "output=study"],
      outputs: ["study"]),
    Scenario(
      name: "study/fewer-kept",
      inputs: data + ["study.yaml"],
      arguments: [
        "study", "study.yaml", "output=study", "study.seeds=[1]", "study.keep_checkpoints=false", "tasks.names=[]",
      ], outputs: ["study"]),
  ]

  private static let convert: [Scenario] = [
    converted("convert/chunked", ["hub"], "new.h5", ["hub", "new.h5", "--verify"]),
    converted("convert/compressed", ["hub"], "new.h5", ["hub", "new.h5", "--compress", "4"]),
    converted("convert/mapped", ["hub"], "new.h5", ["hub", "new.h5", "--hdf5-layout", "mapped"]),
    converted(
      "convert/overwrite-h5", ["hub"], "new.h5", ["hub", "new.h5", "--overwrite"], earlier: [("old.h5", "new.h5")]),
    converted("convert/folder", ["whole-run"], "new", ["whole-run/final.h5", "new", "--allow-unlimited"]),
    converted(
      "convert/shards", ["whole-run"], "new",
      ["whole-run/final.h5", "new", "--max-shard-size", "10KB", "--with-code", "--verify"]),
    converted(
      "convert/fused", ["whole-run"], "new", ["whole-run/final.h5", "new", "--layout", "fused", "--allow-unlimited"]),
    converted(
      "convert/overwrite-folder", ["whole-run"], "new", ["whole-run/final.h5", "new", "--with-code", "--overwrite"],
      earlier: [("old-hub", "new")]),
  ]

  private static func converted(
    _ name: String, _ inputs: [String], _ output: String, _ arguments: [String],
    earlier: [(from: String, to: String)] = []
  ) -> Scenario {
    Scenario(
      name: name, inputs: inputs, earlier: earlier, arguments: ["convert"] + arguments, outputs: [output],
      groups: output.hasSuffix(".h5") ? [] : [Group(path: output, reader: ["inspect", output, "--verify"])])
  }

  private static let adapters: [Scenario] = [
    Scenario(
      name: "adapter/export", inputs: ["base.h5", "lora"],
      arguments: ["convert", "lora/final.h5", "new", "--adapter", "--allow-unlimited"], outputs: ["new"],
      groups: [Group(path: "new", reader: ["convert", "new", "../check.h5", "--base", "base.h5", "--overwrite"])]),
    Scenario(
      name: "adapter/import", inputs: ["base.h5", "peft"],
      arguments: ["convert", "peft", "new.h5", "--base", "base.h5"], outputs: ["new.h5"]),
  ]

  private static let measure: [Scenario] = [
    Scenario(
      name: "evaluate/tasks", inputs: data + ["results-a"],
      arguments: ["evaluate", "base.h5", "--tasks", "data/sums.yaml", "--task-data", "data", "--output", "new"],
      outputs: ["new"], groups: [scored("new")]),
    Scenario(
      name: "evaluate/recipe", inputs: data + ["plain.yaml", "losses-a"],
      arguments: [
        "evaluate", "base.h5", "--recipe", "plain.yaml", "--text", "data/text.txt", "--block", "32", "--output", "new",
      ], outputs: ["new"], groups: [scored("new", "losses-a")]),
    Scenario(
      name: "profile", inputs: data,
      arguments: ["profile", "base.h5", "--text", "data/profile.txt", "--output", "profile.h5"],
      outputs: ["profile.h5"]),
    Scenario(
      name: "profile/overwrite", inputs: data, earlier: [("old-profile.h5", "profile.h5")],
      arguments: ["profile", "base.h5", "--text", "data/profile.txt", "--output", "profile.h5"], outputs: ["profile.h5"]
    ),
    Scenario(
      name: "trace", inputs: data,
      arguments: ["trace", "base.h5", "--tokens", "data/tokens.txt", "--gradients", "--output", "trace.h5"],
      outputs: ["trace.h5"]),
  ]

  /// On two ranks: what one of them meets ends both.
  private static let ranks: [Scenario] = [0, 1].map { rank in
    Scenario(
      name: "ranks/\(rank)", inputs: data + ["plain.yaml"], arguments: ["finetune", "plain.yaml"], outputs: ["run"],
      ranks: (2, rank), stride: 20)
  }

  private static let small: [Scenario] = [
    Scenario(
      name: "place", inputs: ["profile.h5"],
      arguments: [
        "place", "profile.h5", "--devices", "2", "--proposals", "200", "--output", "placement.json", "--export", "eplb",
        "map.json",
      ], outputs: ["placement.json", "map.json"]),
    Scenario(
      name: "place/overwrite", inputs: ["profile.h5"], earlier: [("old-placement.json", "placement.json")],
      arguments: ["place", "profile.h5", "--devices", "2", "--proposals", "200", "--output", "placement.json"],
      outputs: ["placement.json"]),
    Scenario(
      name: "compare", inputs: ["results-a", "results-b"],
      arguments: ["compare", "results-a", "results-b", "--draws", "100", "--output", "compared"], outputs: ["compared"],
      groups: [Group(path: "compared", reader: nil)]),
    Scenario(
      name: "compare/overwrite", inputs: ["results-a", "results-b"], earlier: [("old-compared", "compared")],
      arguments: ["compare", "results-a", "results-b", "--draws", "100", "--output", "compared", "--overwrite"],
      outputs: ["compared"], groups: [Group(path: "compared", reader: nil)]),
    Scenario(
      name: "recipes/copy", inputs: data + ["plain.yaml"], arguments: ["recipes", "copy", "plain.yaml", "copy.yaml"],
      outputs: ["copy.yaml"]),
  ]

  /// An evaluation, which `compare` reads beside another one of the same questions.
  private static func scored(_ path: String, _ other: String = "results-a") -> Group {
    Group(
      path: path,
      reader: ["compare", "a=\(other)", "b=\(path)", "--draws", "100", "--overwrite", "--output", "../check"],
      markers: ["occult.json"])
  }
}
