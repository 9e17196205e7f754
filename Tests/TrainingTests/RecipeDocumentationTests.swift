import ExpertParallel
import Placements
import Routing
import Foundation
import Testing
import Text

@testable import Training

/// Holds docs/recipes.md to the decoder: the same keys, the same defaults, the same words.
@Suite struct RecipeDocumentationTests {
  /// A row of a table of keys.
  struct Row {
    let key: String
    /// Text in the cell without backticks; nil where the key must be written.
    let fallback: String?
    /// Words in backticks that the key takes.
    let words: [String]
  }

  private static let page = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().appendingPathComponent("../../docs/recipes.md")

  private static func text() throws -> String { try String(contentsOf: page, encoding: .utf8) }

  /// Rows of every table whose head is `| key | default | takes | meaning |`.
  static func rows() throws -> [Row] {
    var rows: [Row] = []
    var isTable = false
    for line in try text().split(separator: "\n", omittingEmptySubsequences: false) {
      let cells = line.split(separator: "|", omittingEmptySubsequences: false)
        .map { $0.trimmingCharacters(in: .whitespaces) }
      if cells == ["", "key", "default", "takes", "meaning", ""] { isTable = true; continue }
      guard isTable, cells.count == 6 else { isTable = false; continue }
      if cells[1].hasPrefix("---") { continue }
      let quoted = cells[3].matches(of: /`([^`]+)`/).map { String($0.output.1) }
      let fallback = cells[2] == "–" ? nil : cells[2].replacing("`", with: "")
      rows.append(Row(key: cells[1].replacing("`", with: ""), fallback: fallback, words: quoted))
    }
    return rows
  }

  private static let minimal = """
    version: 1
    model: base.h5
    data: {train: {path: t.jsonl, format: alpaca}}
    output: runs/x
    """

  /// Keys that the decoder asks for, without those that are sections.
  private static func decodedKeys() -> [String] {
    let reader = RecipeReader(folders: .init(recipe: "/", working: "/"), checksFiles: false)
    let root = RecipeNode.parse(minimal, issues: &reader.issues) { .file("r.yaml", line: $0, column: $1) }
    guard let root else { return [] }
    _ = Recipe.decode(root, reader: reader, purpose: .finetune)
    return reader.knownKeys.filter { !Recipe.sections.contains($0) }
  }

  @Test func tableAndDecoderHaveTheSameKeys() throws {
    let documented = try Self.rows().map(\.key)
    let decoded = Self.decodedKeys()
    #expect(decoded.count > 50, "the decoder was walked")
    #expect(Set(documented).count == documented.count, "a key is documented once")
    #expect(Set(decoded).subtracting(documented).sorted() == [], "keys of the decoder that the page lacks")
    #expect(Set(documented).subtracting(decoded).sorted() == [], "keys of the page that the decoder does not know")
  }

  @Test func defaultsAreThoseOfTheDecoder() throws {
    let recipe = try Recipe.parse(Self.minimal, file: "/r.yaml", checksFiles: false)
    var defaults = Dictionary(uniqueKeysWithValues: recipe.leaves)
    guard case .list(let sources)? = recipe.node["data"]?["train"]?.content,
      case .map(let source)? = sources.first?.content
    else {
      Issue.record("expected one source, found \(recipe.node.yaml())")
      return
    }
    for entry in source { defaults["data.train." + entry.key] = entry.value.flow }
    for row in try Self.rows() {
      if let fallback = row.fallback { #expect(defaults[row.key] == fallback, "default of \(row.key)") }
    }
    let written = ["version", "model", "output", "data.train", "data.train.path", "data.train.format"]
    #expect(try Self.rows().filter { $0.fallback == nil }.map(\.key).sorted() == written.sorted())
  }

  @Test func wordsAreThoseOfTheDecoder() throws {
    func words<Choice: RawRepresentable<String> & CaseIterable>(_: Choice.Type) -> [String] {
      Choice.allCases.map(\.rawValue)
    }
    let modes = ["attention", "experts", "router", "shared_experts", "embeddings", "norms"]
    var expected: [String: [String]] = [
      "data.train.format": words(DataFormat.self), "data.template": words(PromptTemplate.self),
      "data.loss_on": words(LossScope.self), "data.on_unsupported": words(UnsupportedSamples.self),
      "routing.placement": words(Recipe.PlacementMethod.self) + [".json"],
      "routing.policy": words(Recipe.Policy.self), "routing.similarity": words(LogitSimilarity.self),
      "routing.group_score": words(GroupScore.self), "routing.weight_source": words(Recipe.WeightSource.self),
      "routing.renormalize": words(Recipe.Renormalize.self), "loss.aux.kind": words(Recipe.AuxiliaryKind.self),
      "optimizer.name": words(Recipe.OptimizerName.self), "schedule.name": words(Recipe.ScheduleName.self),
      "schedule.batch_tokens": ["data.max_tokens"], "save.dtype": words(Recipe.SaveType.self),
      "parallel.dispatch": words(DispatchPlan.Mode.self), "parallel.wire": words(DispatchOptions.Wire.self),
      "parallel.nodes": ["routing.devices"], "study.arms": [],
    ]
    for mode in modes { expected["train." + mode] = ["frozen", "full"] }
    for mode in modes.prefix(4) { expected["train." + mode]?.append("lora") }
    for row in try Self.rows() { #expect(row.words == expected[row.key] ?? [], "words of \(row.key)") }
  }

  @Test func theExampleIsARecipe() throws {
    let blocks = try Self.text().matches(of: /```yaml\n((?s).*?)```/).map { String($0.output.1) }
    #expect(!blocks.isEmpty)
    for block in blocks { _ = try Recipe.parse(block, file: "/r.yaml", checksFiles: false) }
  }
}
