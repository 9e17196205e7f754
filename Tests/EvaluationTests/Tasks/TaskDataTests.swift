import Foundation
import Testing

@testable import Evaluation
@testable import Text
@testable import Training

/// Files as they are published, and what is wrong with files.
@Suite final class TaskDataTests {
  private let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("occult-task-data-" + UUID().uuidString).path

  init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: folder) }

  private func write(_ name: String, _ text: String) throws -> String {
    let url = URL(fileURLWithPath: folder + "/" + name)
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
    return url.path
  }

  private func set(_ names: [String], _ tasks: TaskCatalog? = nil, shots: Int? = nil) throws -> TaskSet {
    try TaskSet(names, catalog: try tasks ?? TaskCatalog(), folder: folder, shots: shots)
  }

  private func document(_ name: String, shots: Int? = nil) throws -> TaskDocument {
    try #require(try set([name], shots: shots).tasks.first?.documents.first)
  }

  /// A catalog with one more task.
  private func catalog(_ yaml: String) throws -> TaskCatalog {
    _ = try write("tasks/mine.yaml", yaml)
    return try TaskCatalog(folder: folder + "/tasks")
  }

  /// The message of what `body` throws, without the folder's path.
  private func message(_ body: () throws -> Void) -> String {
    do {
      try body()
      return "fine"
    } catch {
      return "\(error)".substituting(folder + "/", by: "")
    }
  }

  // MARK: Layouts

  @Test func tables() throws {
    let quoted = try TaskRows(file: try write("a.csv", "question,b\n\"x, \"\"y\"\"\nz\",2\n\n\"\",\"3\"\r\n"))
    #expect(
      quoted.rows.map { $0.value.text() } == [
        #"{"question": "x, \"y\"\nz", "b": "2"}"#, #"{"question": "", "b": "3"}"#,
      ])
    #expect(quoted.rows.map(\.line) == [2, 5])
    let tabs = try TaskRows(file: try write("a.tsv", "index\tsentence1\n0\tHe said \"no\", twice\n"))
    #expect(tabs.rows[0].value.text() == #"{"index": "0", "sentence1": "He said \"no\", twice"}"#)
    #expect(
      message { _ = try TaskRows(file: try write("b.csv", "a,b\n1,2\n1,2,3\n")) }
        == "b.csv:3: expected 2 cells as in the first line, found 3; try mending the line")
  }

  /// MMLU as its authors publish it: no heads, a letter at the end.
  @Test func mmluAsPublished() throws {
    _ = try write("test/anatomy_test.csv", "\"Which, bone?\",hip,\"rib, left\",toe,arm,C\nWhy?,a,b,c,d,A\n")
    _ = try write("dev/anatomy_dev.csv", "What is  one?,1,2,3,4,A\n")
    let document = try document("mmlu_anatomy", shots: 1)
    #expect(
      document.requests[2].context
        == "The following are multiple choice questions (with answers) about anatomy.\n\nWhat is  one?\nA. 1\nB. 2\nC. 3\n"
        + "D. 4\nAnswer: A\n\nWhich, bone?\nA. hip\nB. rib, left\nC. toe\nD. arm\nAnswer:")
    #expect(document.requests.map(\.continuation) == [" A", " B", " C", " D"] && document.gold == 2)
    #expect(
      message { _ = try set(["mmlu_anatomy"], shots: 3) }
        == "dev/anatomy_dev.csv: expected at least 3 rows for the examples of mmlu_anatomy, found 1; try 1 shots")
    // The other subjects of the group are not there: named, and what is there goes on.
    let group = try set(["mmlu_stem"], shots: 0)
    #expect(group.names == ["mmlu_anatomy"] && group.missing.count == 18)
  }

  /// Each pair is the same row in another published layout.
  @Test(arguments: [
    (
      "arc_easy", "arc_easy.jsonl",
      #"{"question": "Why?", "choices": {"text": ["a", "b", "c"], "label": ["1", "2", "3"]}, "answerKey": "2"}"#,
      #"{"question": {"stem": "Why?", "choices": [{"text": "a", "label": "1"}, {"text": "b", "label": "2"}, {"text": "c", "label": "3"}]}, "answerKey": "2"}"#
    ),
    (
      "arc_challenge", "arc_challenge.jsonl",
      #"{"question": "Why?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "B"}"#,
      #"{"query": "Question: Why?", "choices": ["a", "b"], "gold": 1}"#
    ),
    (
      "openbookqa", "openbookqa.jsonl",
      #"{"question_stem": "Ice", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": " B"}"#,
      #"{"question": {"stem": "Ice", "choices": [{"text": "a", "label": "A"}, {"text": "b", "label": "B"}]}, "answerKey": "B"}"#
    ),
    (
      "commonsense_qa", "commonsense_qa.jsonl",
      #"{"question": "Where? ", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "B"}"#,
      #"{"query": "Question: Where?\nChoices:\nA. a\nB. b\nAnswer:", "choices": ["A", "B"], "gold": 1}"#
    ),
    (
      "winogrande", "winogrande.jsonl",
      #"{"sentence": "The cup is in the box as the _ is small.", "option1": "cup", "option2": "box", "answer": "1"}"#,
      #"{"context_options": ["The cup is in the box as the cup", "The cup is in the box as the box"], "continuation": "is small.", "gold": 0}"#
    ),
    (
      "boolq", "boolq.jsonl", #"{"passage": "It is.", "question": "is it", "label": 1}"#,
      #"{"passage": "It is.", "question": "is it", "answer": true}"#
    ),
    (
      "boolq", "boolq.jsonl", #"{"passage": "It is.", "question": "is it", "label": 0}"#,
      #"{"query": "Passage: It is.\nQuestion: is it?", "choices": ["no", "yes"], "gold": 0}"#
    ),
    (
      "lambada_openai", "lambada_openai.jsonl", #"{"text": "He sat by the fire"}"#,
      #"{"context": "He sat by the", "continuation": "fire"}"#
    ),
    (
      "piqa", "piqa.jsonl", #"{"goal": "dry it", "sol1": "sun", "sol2": "rain", "label": 0}"#,
      #"{"query": "Question: dry it\n", "choices": ["sun", "rain"], "gold": 0}"#
    ),
    (
      "wsc", "wsc.jsonl",
      #"{"text": "Tom sat as he ate .", "span1_text": "Tom", "span2_text": "he", "span2_index": 3, "label": 1}"#,
      #"{"text": "Tom sat as he ate .", "target": {"span1_text": "Tom", "span2_text": "he", "span2_index": 3}, "label": true}"#
    ),
    (
      "truthfulqa_mc1", "TruthfulQA.csv",
      #"{"question": "Who?", "mc1_targets": {"choices": ["Nobody", "A man", "A cow"]}}"#,
      "Type,Question,Best Answer,Incorrect Answers\nx,Who?,Nobody,A man; A cow;\n"
    ),
  ]) func publishedLayouts(task: String, file: String, hub: String, other: String) throws {
    _ = try write(file == "TruthfulQA.csv" ? "truthfulqa.jsonl" : file, hub)
    let first = try document(task)
    try FileManager.default.removeItem(atPath: folder)
    _ = try write(file, other)
    let second = try document(task)
    #expect(first.requests == second.requests && first.gold == second.gold && first.choices == second.choices)
    #expect(!first.requests.isEmpty)
  }

  @Test func xmlOfEntailmentAndPlausibility() throws {
    _ = try write(
      "rte/rte3_dev.xml",
      """
      <?xml version="1.0" encoding="UTF-8" ?>
      <entailment-corpus challenge="3">
      	<pair id="1" entailment="NO" task="IE">
      		<t>Tom &amp; Ann
       sat.</t>
      		<h> Tom sang.</h>
      	</pair>
      </entailment-corpus>
      """)
    let rte = try document("rte")
    #expect(rte.requests[0].context == "Tom & Ann\n sat.\nQuestion: Tom sang. True or False?\nAnswer:")
    #expect(rte.gold == 1 && rte.line == 3)
    _ = try write(
      "copa/copa-dev.xml",
      """
      <copa-corpus version="1.0"><item id="1" asks-for="effect" most-plausible-alternative="2">
      <p>It rained.</p><a1>He sang.</a1><a2>It was wet.</a2></item></copa-corpus>
      """)
    let copa = try document("copa")
    #expect(
      copa.requests[1].context == "It rained therefore" && copa.requests[1].continuation == "  it was wet."
        && copa.gold == 1)
    #expect(
      message { _ = try TaskRows(file: try write("c.xml", "<a>\n<b>")) }
        == "c.xml:2: expected a list of elements with text, found the end inside of an element; try a JSON export of the data"
    )
  }

  @Test func labelsAndPairsBesideAFile() throws {
    _ = try write("piqa/valid.jsonl", "{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\"}\n")
    _ = try write("piqa/valid-labels.lst", "1\n")
    #expect(try document("piqa").gold == 1)
    _ = try write("piqa/valid-labels.lst", "1\n0\n")
    #expect(
      message { _ = try set(["piqa"]) }
        == "piqa/valid-labels.lst: expected 1 lines, one for each row of the file beside it, found 2; try the published pair"
    )
    _ = try write("hellaswag_val_correct.800.txt", "It rains. It is wet.\n")
    _ = try write("hellaswag_val_wrong.800.txt", "It rains. It is dry.\n")
    let pair = try document("hellaswag_2way")
    #expect(pair.requests.map(\.continuation) == ["It rains. It is wet.", "It rains. It is dry."] && pair.gold == 0)
  }

  @Test func articles() throws {
    let text = " \n = First <unk> = \n \n One , two . \n \n = = Part = = \n \n More . \n = Second = \n \n End . \n"
    _ = try write("wikitext.txt", text)
    let windows = try TaskRows(file: try write("w.txt", text.substituting("\n", by: "\r\n")))
    #expect(windows.rows == (try TaskRows(file: folder + "/wikitext.txt")).rows && windows.rows.count == 2)
    let documents = try #require(try set(["wikitext"]).tasks.first).documents
    #expect(documents.count == 2 && documents.map(\.line) == [2, 9])
    #expect(documents[0].requests[0].continuation.contains("One, two.\n\n == Part ==") == false)
    #expect(documents[0].requests[0].continuation.contains("One, two."))
    #expect(documents[1].words == 7 && documents[1].bytes == " = Second = \n \n End . \n".utf8.count)
  }

  // MARK: What is wrong

  /// Rows of a task file's data, and the message.
  @Test(arguments: [
    (
      #"{"goal": "g", "sol1": "a", "label": 0}"#,
      "piqa.jsonl:1: expected a row of piqa in one of the layouts original, llm-foundry, found none (original: choices: expected "
        + "the field 'sol2', found 'goal', 'sol1', 'label'; did you mean 'sol1'?; llm-foundry: goal: expected the field 'query', "
        + "found 'goal', 'sol1', 'label'); try another file or a layout of your own under 'rows' in the task file"
    ),
    (
      "{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\", \"label\": 0}\n{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\"}",
      "piqa.jsonl:2: piqa: label: expected the field 'label', found 'goal', 'sol1', 'sol2'; try mending or removing the row"
    ),
    (
      #"{"goal": "g", "sol1": "a", "sol2": "b", "label": 2}"#,
      "piqa.jsonl:1: piqa: doc_to_target: expected the index of the gold choice in 0..<2, found 2; try mending or removing the row"
    ),
    (
      #"{"goal": "g", "sol1": "a", "sol2": "b", "label": -1}"#,
      "piqa.jsonl:1: piqa: doc_to_target: expected the index of the gold choice in 0..<2, found -1; try mending or removing the row"
    ),
    (
      "{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\", \"label\": 0}\n\n"
        + "{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\", \"label\": null}",
      "piqa.jsonl:3: piqa: label: expected a whole number, found null; try mending or removing the row"
    ),
    (
      #"{"goal": "g", "sol1": "a", "sol2": " ", "label": 0}"#,
      "piqa.jsonl:1: piqa: doc_to_choice: expected some text in choice 1, found an empty choice; try mending or removing the row"
    ),
    (
      #"{"goal": "g", "sol1": "a", "sol2": 3, "label": 0}"#,
      "piqa.jsonl:1: piqa: doc_to_choice: expected a text for choice 1, found 3; try mending or removing the row"
    ),
    ("[1]", "piqa.jsonl:1: row: expected an object, found 1; try another format or column_map"),
    (" \n", "piqa.jsonl: expected samples, found an empty file; try another file"),
  ]) func brokenRows(rows: String, expected: String) throws {
    _ = try write("piqa.jsonl", rows)
    #expect(message { _ = try set(["piqa"]) } == expected)
  }

  @Test func missingDataAndTasks() throws {
    #expect(
      message { _ = try set(["sciq"]) }.hasSuffix(
        "expected data of sciq (test), one of sciq.jsonl, sciq/test.json, sciq/test.jsonl, SciQ/test.json, found none; "
          + "try the folder that holds them"))
    #expect(message { _ = try set(["mmlu"]) }.contains("expected data of mmlu_"))
    #expect(
      message { _ = try set(["pica"]) } == "tasks: expected a task or a task file, found 'pica'; did you mean 'piqa'?"
    )
    #expect(
      message { _ = try TaskCatalog(folder: "/nowhere") }
        == "/nowhere: expected a folder of task files, found none; try recipes/tasks")
  }

  @Test func aTaskOfOnesOwn() throws {
    let tasks = try catalog(
      """
      task: colours
      output_type: multiple_choice
      data: {split: test, files: [colours.json]}
      doc_to_text: "{{q}} is"
      doc_to_choice: ["red", "blue"]
      doc_to_target: "{{colour}}"
      metric_list: [acc, acc_bytes]
      """)
    _ = try write("colours.json", #"[{"q": "Blood", "colour": "red"}, {"q": "Sky", "colour": "green"}]"#)
    #expect(
      message { _ = try set(["colours"], tasks) }
        == "colours.json:1: colours: doc_to_target: expected the gold choice, one of 'red', 'blue', found 'green'; "
        + "try mending or removing the row")
    _ = try write("colours.json", #"[{"q": "Blood", "colour": "red"}]"#)
    let document = try #require(try set(["colours"], tasks).tasks.first?.documents.first)
    #expect(document.gold == 0 && document.requests.map(\.continuation) == [" red", " blue"])
    // A path is as good as a name.
    #expect(try set([folder + "/tasks/mine.yaml"]).names == ["colours"])
  }

  @Test func brokenTaskFiles() throws {
    #expect(
      message {
        _ = try TaskDefinition.parse(
          "task: x\noutput_type: multiple_choise\ndata: {split: test}\ndoc_to_text: \"{{a | stripp}}\"\nmetric_list: [f1]\nnum_fewshots: 3\n",
          file: "x.yaml")
      }.split(separator: "\n") == [
        "x.yaml:1:1: doc_to_choice: expected a template that gives a list, or a list of templates, found no such key",
        "x.yaml:1:1: doc_to_target: expected a template such as 'Question: {{question}}', found no such key",
        "x.yaml:2:14: output_type: expected multiple_choice, loglikelihood, loglikelihood_rolling or generate_until, "
          + "found 'multiple_choise'; did you mean 'multiple_choice'?",
        "x.yaml:3:7: data.files: expected a list of names, found no such key",
        "x.yaml:4:14: doc_to_text: expected a filter, found 'stripp'; did you mean 'strip'?",
        "x.yaml:5:14: metric_list: expected acc, acc_norm, acc_bytes, found 'f1'",
        "x.yaml:6:1: num_fewshots: unknown key; did you mean 'num_fewshot'?",
      ])
  }

  /// Every task file of the repository is part of the program, opens with what it is, its data and its source, and
  /// decodes.
  @Test func taskFilesOfTheProgram() throws {
    let path = HarnessOracle.root + "/recipes/tasks"
    let files = try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".yaml") }.sorted()
    let names = Set(try TaskCatalog().names)
    for file in files {
      let text = try String(contentsOfFile: path + "/" + file, encoding: .utf8)
      #expect(text.hasPrefix("# What: ") && text.contains("\n# Data: "), "\(file)")
      let tasks = try TaskDefinition.parse(text, file: file)
      #expect(tasks.allSatisfy { names.contains($0.name) }, "\(file)")
    }
    #expect(files.count == 20 && names.count == 19 + 1 + 4 + 57)
  }
}
