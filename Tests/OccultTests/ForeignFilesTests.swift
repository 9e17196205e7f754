import Foundation
import Testing

/// A key that nobody knows, put into every file that other programs write, at every level: the command that reads the
/// file names it, in an error or in a warning.
@Suite struct ForeignFilesTests {
  /// A file as a command meets it.
  struct File: Sendable, CustomTestStringConvertible {
    let name: String
    /// Texts of the sound file behind which a key may stand, one for each kind of object in it.
    let levels: [String]
    /// Keys that other versions or programs have, each with the level that it is put at.
    var known: [(level: String, key: String)] = []
    /// A sound file in a folder: what it says.
    let sound: @Sendable (Workplace) throws -> String
    /// Puts the file in its place.
    var write: @Sendable (Workplace, String) throws -> Void
    /// The command that reads it.
    let arguments: @Sendable (Workplace) -> [String]

    var testDescription: String { name }
  }

  @Test(arguments: files)
  func unknownKeysAreNamed(file: File) throws {
    let place = try Workplace()
    let sound = try file.sound(place)
    func said(_ text: String) throws -> String {
      try file.write(place, text)
      let result = try CommandLineTests.run(file.arguments(place))
      return result.error + result.out
    }
    for key in Set(["zeta"] + file.known.map(\.key)) {
      #expect(!(try said(sound)).contains(key), "\(key) in the sound file")
    }
    for (level, key) in file.levels.map({ ($0, "zeta") }) + file.known {
      let range = try #require(sound.range(of: level), "\(level)")
      let isYAML = level.hasSuffix("\n")
      let member = isYAML ? "\(key): 3\n" : file.name.hasSuffix(".yaml") ? "\(key): 3, " : "\"\(key)\": 3, "
      let text = sound.replacingCharacters(in: range, with: level + member)
      let found = try said(text)
      #expect(found.contains(key), "\(level): \(found)")
    }
  }

  // MARK: Which files there are

  static let files: [File] = beside + weights + rows + measured + recorded

  /// Files of a model folder that are JSON as they stand.
  private static let beside: [File] = [
    File(
      name: "config.json", levels: ["{", #""rope_scaling": {"#], known: [("{", "attention_chunk_size")],
      sound: { place in
        try text(place.folder("config.json")).replacing(
          #""rope_theta": 10000.0"#,
          with: #""rope_theta": 10000.0, "rope_scaling": {"rope_type": "linear", "factor": 2}"#)
      }, write: { try $1.write(toFile: $0.folder("config.json"), atomically: true, encoding: .utf8) },
      arguments: { ["inspect", $0.run("folder")] }),
    File(
      name: "generation_config.json", levels: ["{"], known: [("{", "min_p")], sound: { _ in #"{"eos_token_id": 0}"# },
      write: { try $1.write(toFile: $0.folder("generation_config.json"), atomically: true, encoding: .utf8) },
      arguments: { ["generate", $0.run("folder"), "--prompt", "One", "--max-new", "1"] }),
    File(
      name: "tokenizer.json", levels: ["{", #""added_tokens": [{"#, #""model": {"#],
      known: [(#""model": {"#, "max_input_chars_per_word")],
      sound: { try json(text($0.folder("tokenizer.json"))) },
      write: { try $1.write(toFile: $0.folder("tokenizer.json"), atomically: true, encoding: .utf8) },
      arguments: { ["tokenize", $0.run("folder"), "One"] }),
    File(
      name: "tokenizer_config.json", levels: ["{", #""0": {"#],
      sound: { _ in
        #"{"tokenizer_class": "PreTrainedTokenizerFast", "added_tokens_decoder": {"0": {"content": "<|endoftext|>"}}}"#
      }, write: { try $1.write(toFile: $0.folder("tokenizer_config.json"), atomically: true, encoding: .utf8) },
      arguments: { ["tokenize", $0.run("folder"), "One"] }),
    File(
      name: "special_tokens_map.json", levels: ["{", #""eos_token": {"#],
      sound: { _ in #"{"eos_token": {"content": "<|endoftext|>", "lstrip": false}}"# },
      write: { try $1.write(toFile: $0.folder("special_tokens_map.json"), atomically: true, encoding: .utf8) },
      arguments: { ["tokenize", $0.run("folder"), "One"] }),
  ]

  /// Files of weights.
  private static let weights: [File] = [
    File(
      name: "model.safetensors.index.json", levels: ["{"],
      sound: { try text($0.folder("model.safetensors.index.json", ["--max-shard-size", "100KB"])) },
      write: { try $1.write(toFile: $0.run("folder/model.safetensors.index.json"), atomically: true, encoding: .utf8) },
      arguments: { ["inspect", $0.run("folder")] }),
    File(
      name: "model.safetensors", levels: [#""model.norm.weight":{"#], known: [(#""model.norm.weight":{"#, "quant")],
      sound: { try SafetensorsText.header(of: $0.folder("model.safetensors")) },
      write: { try SafetensorsText.replaceHeader(of: $0.run("folder/model.safetensors"), with: $1) },
      arguments: { ["inspect", $0.run("folder")] }),
    File(
      name: "adapter_config.json", levels: ["{"], known: [("{", "use_new_lora")],
      sound: { place in
        try FileManager.default.copyItem(atPath: oracles + "peft/modules-0.18", toPath: place.run("peft"))
        return try text(place.run("peft/adapter_config.json"))
      }, write: { try $1.write(toFile: $0.run("peft/adapter_config.json"), atomically: true, encoding: .utf8) },
      arguments: {
        ["convert", $0.run("peft"), $0.run("new.h5"), "--base", oracles + "olmoe-tiny", "--overwrite"]
      }),
    File(
      name: "exported map of eplb", levels: ["{"],
      sound: { _ in
        #"{"physical_to_logical_map": [[0, 1]], "logical_to_physical_map": [[[0], [1]]], "expert_count": [[1, 1]]}"#
      }, write: { try $1.write(toFile: $0.run("map.json"), atomically: true, encoding: .utf8) },
      arguments: { ["inspect", $0.run("map.json")] }),
    File(
      name: "exported map of vllm-ascend", levels: ["{", #""layer_list": [{"#, #""device_list": [{"#],
      sound: { _ in
        #"{"moe_layer_count": 1, "layer_list": [{"layer_id": 0, "device_count": 1, "device_list": "#
          + #"[{"device_id": 0, "device_expert": [0, 1]}]}]}"#
      }, write: { try $1.write(toFile: $0.run("map.json"), atomically: true, encoding: .utf8) },
      arguments: { ["inspect", $0.run("map.json")] }),
  ]

  /// Rows to train on.
  private static let rows: [File] = [
    ("alpaca", #"{"instruction": "Add.", "output": "3"}"#, ["{"], "context"),
    (
      "sharegpt", #"{"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "R"}]}"#,
      ["{", #""conversations": [{"#], "tools"
    ),
    (
      "chat",
      #"{"messages": [{"role": "user", "content": [{"type": "text", "text": "A"}]}, "#
        + #"{"role": "assistant", "content": "b"}]}"#, ["{", #""messages": [{"#, #""content": [{"#], "functions"
    ),
    ("prompt_completion", #"{"prompt": "One", "completion": " two"}"#, ["{"], "loss_mask"),
    ("text", #"{"text": "One two three"}"#, ["{"], "weight"),
  ].map { format, sound, levels, known in
    File(
      name: "rows of \(format)", levels: levels, known: [("{", known)], sound: { _ in sound },
      write: { try $1.write(toFile: $0.run("rows.jsonl"), atomically: true, encoding: .utf8) },
      arguments: {
        [
          "data", "show", $0.recipe, "data.train={path: \($0.run("rows.jsonl")), format: \(format)}",
          "data.validation=0",
        ]
      })
  }

  /// Tasks, and evaluations of others.
  private static let measured: [File] = [
    File(
      name: "task.yaml", levels: ["task: x\n", "data: {", "generation_kwargs: {"],
      known: [("task: x\n", "doc_to_image"), ("generation_kwargs: {", "num_beams")],
      sound: { place in
        try #"{"q": "One", "a": "two"}"#.write(toFile: place.run("x.jsonl"), atomically: true, encoding: .utf8)
        return """
          task: x
          output_type: generate_until
          data: {split: test, files: [x.jsonl]}
          doc_to_text: "{{q}}"
          doc_to_target: "{{a}}"
          metric_list: [exact_match]
          generation_kwargs: {until: ["Q"], max_gen_toks: 1}
          metadata: {version: 1.0}

          """
      }, write: { try $1.write(toFile: $0.run("task.yaml"), atomically: true, encoding: .utf8) },
      arguments: { place in
        [
          "evaluate", place.run("base.h5"), "--tasks", place.run("task.yaml"), "--task-data", place.path, "--output",
          place.run(UUID().uuidString),
        ]
      }),
    File(
      name: "samples of lm-evaluation-harness", levels: ["{"], sound: { try text(harness($0, "samples_")) },
      write: { try $1.write(toFile: harness($0, "samples_"), atomically: true, encoding: .utf8) },
      arguments: compared),
    File(
      name: "results of lm-evaluation-harness", levels: ["{"], sound: { try text(harness($0, "results_")) },
      write: { try $1.write(toFile: harness($0, "results_"), atomically: true, encoding: .utf8) },
      arguments: compared),
  ]

  /// Recordings of routing.
  private static let recorded: [File] = [
    File(
      name: "recorded routing", levels: [#"{"type": "meta", "#, #"{"type": "route", "#],
      sound: { _ in
        #"{"type": "meta", "num_experts": 4, "top_k": 2}"# + "\n"
          + (0..<8).map {
            #"{"type": "route", "layer": 0, "topk_ids": [\#($0 % 3), 3], "topk_weights": [0.5, 0.5]}"# + "\n"
          }.joined()
      }, write: { try $1.write(toFile: $0.run("routing.jsonl"), atomically: true, encoding: .utf8) },
      arguments: {
        ["profile", "--routing", $0.run("routing.jsonl"), "--output", $0.run("profile.h5")]
      }),
    File(
      name: "recorded loads", levels: ["[{"], sound: { _ in #"[{"0": 5, "1": 3, "2": 4}]"# },
      write: { try $1.write(toFile: $0.run("loads.json"), atomically: true, encoding: .utf8) },
      arguments: {
        [
          "profile", "--loads", $0.run("loads.json"), "--top-k", "2", "--output", $0.run("loads.h5"),
        ]
      }),
  ]

  private static let oracles = CommandLineTests.root + "/Tests/ModelsTests/Oracles/"

  private static func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

  /// JSON on one line, in an order of its own, spaces behind colons.
  private static func json(_ text: String) throws -> String {
    let object = try JSONSerialization.jsonObject(with: Data(text.utf8))
    let data = try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys])
    return String(decoding: data, as: UTF8.self).replacing(#""added_tokens":[{"#, with: #""added_tokens": [{"#)
      .replacing(#""model":{"#, with: #""model": {"#)
  }

  /// A file of an evaluation of lm-evaluation-harness, copied into the workplace.
  private static func harness(_ place: Workplace, _ beginning: String) throws -> String {
    let run = place.run("harness")
    if !FileManager.default.fileExists(atPath: run) {
      try FileManager.default.copyItem(
        atPath: CommandLineTests.root + "/Tests/EvaluationTests/Fixtures/harness/base", toPath: run)
    }
    let walk = try #require(FileManager.default.enumerator(atPath: run))
    for case let name as String in walk where (name as NSString).lastPathComponent.hasPrefix(beginning) {
      return run + "/" + name
    }
    throw CocoaError(.fileNoSuchFile)
  }

  private static let compared: @Sendable (Workplace) -> [String] = { place in
    [
      "compare", "a=" + CommandLineTests.root + "/Tests/EvaluationTests/Fixtures/harness/standard",
      "b=" + place.run("harness"), "--draws", "100", "--output", place.run("compared"), "--overwrite",
    ]
  }
}

extension Workplace {
  /// A file of the model's folder, which is exported at the first time.
  fileprivate func folder(_ file: String, _ options: [String] = []) throws -> String {
    if !FileManager.default.fileExists(atPath: run("folder")) {
      let result = try CommandLineTests.run(["convert", run("base.h5"), run("folder")] + options)
      try #require(result.status == 0, "\(result.error)")
      // The folder is another program's from now on.
      try FileManager.default.removeItem(atPath: run("folder/occult.json"))
    }
    return run("folder/" + file)
  }
}

/// The text in front of the tensors of a safetensors file.
private enum SafetensorsText {
  static func header(of path: String) throws -> String {
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    return String(decoding: data[8..<8 + length(data)], as: UTF8.self)
  }

  static func replaceHeader(of path: String, with text: String) throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    let bytes = withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian) { Data($0) }
    try (bytes + Data(text.utf8) + data[(8 + length(data))...]).write(to: URL(fileURLWithPath: path))
  }

  private static func length(_ data: Data) -> Int {
    Int(data[0..<8].withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) })
  }
}
