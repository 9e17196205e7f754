import Foundation
import Testing

/// Whoever parses a file says here whose it is: a reader that is added later fails until its file is among
/// ``ForeignFilesTests/files``, or is our own.
@Suite struct ForeignReadersTests {
  enum Origin {
    /// Written by other programs: names of ``ForeignFilesTests/files``.
    case foreign([String])
    /// Written by this program, or checked by the reader that is named.
    case own(String)
  }

  static let readers: [String: Origin] = [
    "Checkpoint/Adapter/PEFTConfiguration.swift": .foreign(["adapter_config.json"]),
    "Files/Output/FolderManifest.swift": .own("occult.json"),
    "Files/Output/FolderMarker.swift": .own("occult.json"),
    "Files/JSONValue+File.swift": .own("for those who call it"),
    "Checkpoint/HuggingFace/HubFiles.swift": .own("auto_map of a config.json that was read"),
    "Checkpoint/HuggingFace/ModelCode.swift": .own("the section 'occult' of a config.json"),
    "Checkpoint/HuggingFace/RoutingSettings+JSON.swift": .own("the section 'occult' of a config.json"),
    "Checkpoint/Model/Inspection+Sizes.swift": .own("tells kinds of files apart, which their readers check"),
    "Checkpoint/Safetensors/SafetensorsHeader.swift": .foreign(["model.safetensors"]),
    "Checkpoint/Safetensors/SafetensorsReader.swift": .foreign(["model.safetensors.index.json"]),
    "Placements/Files/Placement+JSON.swift": .own("a placement"),
    "Profiles/Recording/RecordedLoads.swift": .foreign(["recorded loads"]),
    "Profiles/Recording/RecordedRows.swift": .foreign(["recorded routing"]),
    "Profiles/Recording/RecordedSource.swift": .own("arrays, which have no keys"),
    "Evaluation/Comparison/Comparison+JSON.swift": .own("comparison.json"),
    "Evaluation/Pairing/EvaluationFolder.swift": .foreign(["results of lm-evaluation-harness"]),
    "Evaluation/Pairing/SamplesFile.swift": .foreign(["samples of lm-evaluation-harness"]),
    "Evaluation/Scoring/HarnessFiles+Results.swift": .own("what was encoded a line before"),
    "Evaluation/Study/ArmRun.swift": .own("metrics.jsonl"),
    "Evaluation/Study/StudyFolder.swift": .own("what a study keeps"),
    "Evaluation/Tasks/Data/TableRows.swift": .own("rows of a task, whose columns templates name"),
    "Evaluation/Tasks/Data/TaskRows.swift": .own("rows of a task, whose columns templates name"),
    "Evaluation/Tasks/TaskDefinition+YAML.swift": .foreign(["task.yaml"]),
    "Models/ConfigurationReader.swift": .foreign(["config.json", "generation_config.json"]),
    "Text/JSONRows.swift": .own("for those who call it"),
    "Text/SampleReader.swift": .foreign(
      ["rows of alpaca", "rows of sharegpt", "rows of chat", "rows of prompt_completion", "rows of text"]),
    "Text/TokenizerFile.swift": .foreign(["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]),
    "Text/TokenizerSides.swift": .own("names of the model in config.json, which its own reader checks"),
    "Training/Loop/AdapterPlan.swift": .own("what the first rank sends"),
    "Training/Loop/FineTuning+Resume.swift": .own("recipe.yaml"),
    "Training/Loop/RunSummary.swift": .own("summary.json"),
    "Training/Metrics/MetricsRecord.swift": .own("metrics.jsonl"),
    "Training/Plan/MeasuredPointsFile.swift": .own("measured points: keys are declared"),
    "Training/Plan/TopologyFile.swift": .own("a topology: keys are declared"),
    "Training/Recipe/Recipe+Load.swift": .own("a recipe: keys are declared"),
    "Training/Recipe/RecipeLibrary.swift": .own("a recipe: keys are declared"),
    "Training/Recipe/RecipeNode+Parse.swift": .own("a recipe: keys are declared"),
    "Training/Recipe/SmallFile.swift": .own("for those who call it"),
  ]

  @Test func everyReaderIsKnown() throws {
    let parsing = try Regex(
      #"JSONParser\(|JSONValue\.parse\(|JSONDecoder\(|JSONSerialization|PropertyListSerialization|NSDictionary\("#
        + #"|JSONRows\.(?:read|table|records)\(|SmallFile\.|YAMLFile\.|NumPyArray\(|Yams\."#)
    let root = CommandLineTests.root + "/Sources"
    let walk = try #require(FileManager.default.enumerator(atPath: root))
    var found: Set<String> = []
    for case let file as String in walk where file.hasSuffix(".swift") && !file.hasPrefix("Formats/") {
      if try String(contentsOfFile: root + "/" + file, encoding: .utf8).contains(parsing) { found.insert(file) }
    }
    #expect(found.subtracting(Self.readers.keys) == [], "these parse files, and nothing says whose")
    #expect(Set(Self.readers.keys).subtracting(found) == [], "these parse nothing")
  }

  @Test func everyForeignFileIsTried() {
    var names: Set<String> = []
    for case .foreign(let own) in Self.readers.values { names.formUnion(own) }
    let tried = Set(ForeignFilesTests.files.map(\.name))
    #expect(names.subtracting(tried) == [])
    // Both forms of a map have a reader that takes what `Inspection` has parsed.
    #expect(tried.subtracting(names) == ["exported map of eplb", "exported map of vllm-ascend"])
  }
}
