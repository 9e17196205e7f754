import Formats
import Foundation
import Testing

@testable import Evaluation
@testable import Text
@testable import Training

/// Keys of task files, known and not, and what stands in braces.
@Suite struct TaskKeysTests {
  static let sound = """
    task: x
    output_type: generate_until
    data: {split: test, files: [x.jsonl]}
    doc_to_text: "{{q}}"
    doc_to_target: "{{a}}"
    metric_list: [exact_match]
    filter_list: {whole: {regex: "(.*)"}}
    generation_kwargs: {until: ["Q"], max_gen_toks: 3}
    fewshot_config: {sampler: first_n}
    metadata: {version: 1.0, author: me}
    exact_match: {ignore_case: true}

    """

  private func message(_ text: String) -> String {
    do {
      _ = try TaskDefinition.parse(text, file: "x.yaml")
      return "was read"
    } catch { return "\(error)" }
  }

  /// A level of a task file, an unknown key at it, and what is said; for the test of every foreign file.
  static let levels: [(place: String, with: String, expected: String)] = [
    ("task: x", "task: x\ncolour: red", "colour: unknown key"),
    ("{split: test,", "{colour: red, split: test,", "data.colour: unknown key"),
    ("{regex:", "{colour: red, regex:", "filter_list.whole.colour: expected regex or group_select, found another key"),
    ("{until:", "{colour: red, until:", "generation_kwargs.colour: unknown key"),
    ("{sampler:", "{colour: red, sampler:", "fewshot_config.colour: unknown key"),
    ("{ignore_case:", "{colour: red, ignore_case:", "exact_match.colour: unknown key"),
    (
      "[exact_match]", "[{metric: exact_match, colour: red}]",
      "metric_list.exact_match.colour: expected metric, aggregation or higher_is_better, and no other key, found 'red'"
    ),
  ]

  @Test(arguments: levels.indices)
  func unknownKeysAreRefusedAtEveryLevel(index: Int) {
    let (place, with, expected) = Self.levels[index]
    let text = message(Self.sound.replacingOccurrences(of: place, with: with))
    #expect(text.contains(expected) && text.hasPrefix("x.yaml:"), "\(text)")
  }

  /// Keys of the harness: what they would mean.
  @Test(arguments: [
    ("dataset_path: mmlu", "dataset_path: expected no such key, found 'mmlu': which rows there are; here data: "),
    ("test_split: test", "test_split: expected no such key, found 'test': which rows there are"),
    ("process_docs: f", "process_docs: expected no such key, found 'f': a function of the harness's own"),
    ("process_docs: !function utils.f", "process_docs: expected a value without a tag, found '!function'"),
    ("doc_to_choice: !function utils.f", "doc_to_choice: expected a value without a tag, found '!function'"),
    ("gen_prefix: 'A:'", "gen_prefix: expected no such key, found '\"A:\"': the beginning of the answer"),
    ("repeats: 4", "repeats: expected no such key, found '4': answers to each question"),
    ("include: base.yaml", "include: expected no such key, found 'base.yaml': the keys of another file"),
    ("unsafe_code: true", "unsafe_code: expected no such key, found 'true': that answers are run as programs"),
    ("metric_list: [{metric: exact_match, aggregation: median}]", "aggregation: expected mean, found 'median'"),
    ("metric_list: [{metric: exact_match, higher_is_better: false}]", "higher_is_better: expected true, found 'false'"),
    ("metric_list: [{metric: exact_match, ignore_case: true}]", "expected no such key: exact_match: {ignore_case: …}"),
    (
      "generation_kwargs: {until: [Q], do_sample: true}",
      "do_sample: expected no such key, found 'true': answers by chance"
    ),
    ("generation_kwargs: {until: [Q], temperature: 0.7}", "temperature: expected no such key, found '0.7'"),
    (
      "fewshot_config: {samples: [{q: a}]}",
      "fewshot_config.samples: expected no such key, found a list: which examples"
    ),
  ]) func keysOfTheHarnessSayWhatTheyMean(key: String, expected: String) {
    let name = key.pieces(":")[0]
    let rest = Self.sound.pieces("\n").filter { !$0.hasPrefix(name + ":") }.joined(separator: "\n")
    #expect(message(rest + key + "\n").contains(expected), "\(message(rest + key + "\n"))")
  }

  /// What changes nothing, and what says off.
  @Test(arguments: [
    "tag: [a, b]", "task_alias: X", "should_decontaminate: true", "doc_to_decontamination_query: q", "repeats: 1",
    "unsafe_code: false", "process_docs: null", "dataset_name: ~", "gen_prefix: ''", "num_fewshot: null",
    "description: null", "metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]",
    "generation_kwargs: {until: [Q], do_sample: false, temperature: 0.0}", "target_delimiter: null",
  ]) func keysWithoutEffectAreTaken(key: String) {
    let name = key.pieces(":")[0]
    let rest = Self.sound.pieces("\n").filter { !$0.hasPrefix(name + ":") }.joined(separator: "\n")
    #expect(message(rest + key + "\n") == "was read")
  }

  // MARK: Braces

  @Test(arguments: [
    ("{% if a %}yes{% endif %}", "the statement '{% if a %}', which this version does not carry out"),
    ("{%- set x = 1 -%}{{x}}", "the statement '{%- set x = 1 -%}', which this version does not carry out"),
    ("{{q}}{% for c in choices %}{{c}}{% endfor %}", "the statement '{% for c in choices %}'"),
    ("{{q | replace('a', 'b')}}", "'replace'; known: strip"), ("{{f(q)}}", "'(' in '{{f(q)}}'"),
    ("{{q + a}}", "'+' in '{{q + a}}'"), ("{# open", "'{# open'"), ("{{ q ~ a }}", "'~' in '{{ q ~ a }}'"),
  ]) func whatIsNotCarriedOutIsRefused(template: String, found: String) {
    do throws(TemplateError) {
      _ = try Template(template)
      Issue.record("was read")
    } catch { #expect(error.found.hasPrefix(found), "\(error)") }
    let yaml = Self.sound.replacingOccurrences(of: "\"{{q}}\"", with: "\"\(template)\"")
    #expect(message(yaml).hasPrefix("x.yaml:4:14: doc_to_text: expected "))
  }

  /// As Jinja 3.1 with `keep_trailing_newline` gives it.
  @Test(arguments: [
    ("a{# note {{ q }} #}b\n", "ab\n"), ("a {{- q -}} b", "aXb"), ("a \n{#- c -#}\n b", "ab"),
    ("{{ q -}}\n\n{{ q }}", "XX"),
    ("{{ '}}' }}{{q}}", "}}X"), ("}} %} {q}", "}} %} {q}"), ("{{+ q }} ", "X "), ("{#-#} a", " a"),
  ]) func commentsAndMarksAreJinjas(template: String, expected: String) throws {
    #expect(try Template(template).text(.object([.init(key: "q", value: .string("X"))])) == expected)
  }

  @Test(arguments: ["description", "target_delimiter", "fewshot_delimiter"])
  func bracesOutsideOfTemplatesAreRefused(key: String) {
    let text = message(Self.sound + "\(key): \"About {{q}}: \"\n")
    #expect(text.contains("\(key): expected text without braces, found 'About {{q}}: '"), "\(text)")
    let files = Self.sound.replacingOccurrences(of: "[x.jsonl]", with: "[\"{{subject}}.jsonl\"]")
    #expect(message(files).contains("data.files: expected text without braces"))
  }

  /// The harness takes text that is the name of a field for the field.
  @Test func namesOfFieldsStandForThem() throws {
    let text = """
      task: x
      output_type: multiple_choice
      data: {split: test, files: [x.jsonl]}
      doc_to_text: q
      doc_to_choice: options
      doc_to_target: answer
      metric_list: [acc]
      """
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("occult-names-" + UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let row = #"{"q": "Say", "options": ["yes", "no"], "answer": 1}"#
    try Data(row.utf8).write(to: folder.appendingPathComponent("x.jsonl"))
    let task = try #require(try TaskDefinition.parse(text, file: "x.yaml").first)
    let rows = try TaskRows(file: folder.path + "/x.jsonl")
    let document = try DocumentBuilder(task, rows).document(rows.rows[0], id: 0, prefix: "")
    #expect(document.requests.map(\.context) == ["Say", "Say"] && document.gold == 1)
    #expect(document.requests.map(\.continuation) == [" yes", " no"])
  }

  /// A cell keeps its line ends, as in the harness's prompts of MMLU.
  @Test func cellsOfTablesKeepTheirLineEnds() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("occult-cells-" + UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let text = "\"Let V be\r\nthe set. \r\",1,2,3,4,A\r\n\"What\nis\",1,2,3,4,B\r\n"
    try Data(text.utf8).write(to: folder.appendingPathComponent("x.csv"))
    let rows = try TaskRows(file: folder.path + "/x.csv").rows
    #expect(rows.map { $0.value["question"]?.string } == ["Let V be\r\nthe set. \r", "What\nis"])
    #expect(rows.map(\.line) == [1, 4])
  }
}
