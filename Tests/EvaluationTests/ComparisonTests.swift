import Foundation
import Testing

@testable import Evaluation

struct ComparisonTests {
  static let quick = Bootstrap(draws: 200)

  @Test func differencesReferToTheStandardModelWithoutALimit() throws {
    let study = Sample.study()
    let comparison = try Comparison(study, bootstrap: Self.quick)
    let reference = try #require(comparison.reference)
    #expect(reference.arm == "standard" && reference.evaluatedLimit == nil)
    #expect(reference.difference == Difference(mean: 0, low: 0, high: 0))
    for result in comparison.results {
      let difference = try #require(result.difference)
      #expect(abs(difference.mean - (result.loss - reference.loss)) <= 1e-12)
      #expect(difference.low <= difference.mean && difference.mean <= difference.high)
      #expect(result.tokenPerplexity == exp(result.loss))
      let free = comparison.results.first { $0.arm == result.arm && $0.evaluatedLimit == nil }
      #expect(result.devicesPerTokenUnlimited == free?.communication.devicesPerToken)
      // Only cells evaluated as they were trained can show what training under a limit did.
      let isTrained =
        result.arm == "L2" && result.evaluatedLimit == 2 || result.arm == "L1" && result.evaluatedLimit == 1
      #expect((result.trainingEffect != nil) == isTrained && (result.recovery != nil) == isTrained)
    }
    // What is kept of the gain is what the losses say, and the bound lies below it.
    let base = try #require(comparison.results.first { $0.arm == "base" && $0.evaluatedLimit == nil })
    for result in comparison.results {
      #expect((result.nonInferiority != nil) == (result.fineTuned && !result.isReference))
      guard let statement = result.nonInferiority else { continue }
      let kept = (base.loss - result.loss) / (base.loss - reference.loss)
      #expect(abs((statement.kept ?? .nan) - kept) <= 1e-9)
      #expect((statement.keptAtLeast ?? .nan) < kept && abs(statement.harm - (result.loss - reference.loss)) <= 1e-12)
    }
    let trained = try #require(comparison.results.first { $0.arm == "L1" && $0.evaluatedLimit == 1 })
    let limited = try #require(comparison.results.first { $0.arm == "standard" && $0.evaluatedLimit == 1 })
    let share = (limited.loss - trained.loss) / (limited.loss - reference.loss)
    #expect(abs((trained.recovery?.mean ?? .nan) - share) <= 1e-12)
  }

  @Test func fileDecodesToEqualValues() throws {
    let comparison = try Comparison(Sample.study(documents: 20), bootstrap: Self.quick)
    #expect(try Comparison(json: comparison.json()) == comparison)
  }

  @Test func fileHasTheKeysOfItsFormat() throws {
    let data = try Comparison(Sample.study(documents: 20), bootstrap: Self.quick).json()
    let file = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(file["format"] as? String == "occult-comparison" && file["version"] as? Int == 1)
    let results = try #require(file["results"] as? [[String: Any]])
    #expect(results.count == 12)
    let keys = [
      "arm", "fine_tuned", "trained_limit", "evaluated_limit", "policy", "token_perplexity", "loss", "stderr",
      "retention_loss", "devices_per_token", "remote_copies", "naive_remote_copies", "intra_share", "imbalance_rows",
      "imbalance_wire", "retained_mass", "difference", "devices_per_token_unlimited",
    ]
    for result in results {
      for key in keys { #expect(result[key] != nil, "\(key)") }
      let difference = try #require(result["difference"] as? [String: Double])
      #expect(Set(difference.keys) == ["mean", "low", "high", "detectable"])
    }
    #expect(results[0]["evaluated_limit"] is NSNull && results[0]["trained_limit"] is NSNull)
    #expect(results[7]["evaluated_limit"] as? Int == 2 && results[7]["trained_limit"] as? Int == 2)
  }

  @Test func unmeasuredFiguresAreNull() throws {
    var study = Sample.study(documents: 10)
    for index in study.cells.indices { study.cells[index].retention = [] }
    study.cells.removeAll { $0.arm == "standard" }
    let comparison = try Comparison(study, bootstrap: Self.quick)
    #expect(comparison.reference == nil && comparison.results.allSatisfy { $0.difference == nil })
    #expect(try Comparison(json: comparison.json()) == comparison)
    let text = String(decoding: try comparison.json(), as: UTF8.self)
    #expect(text.contains("\"difference\" : null") && text.contains("\"retention_loss\" : null"))
  }

  @Test(arguments: [
    ("{", "JSON of a comparison"), ("[]", "JSON of a comparison"),
    (#"{"format": "other", "version": 1}"#, "format 'occult-comparison' version 1"),
    (#"{"format": "occult-comparison", "version": 2}"#, "format 'occult-comparison' version 1"),
    (#"{"format": "occult-comparison", "version": 1}"#, "JSON of a comparison"),
  ])
  func otherFilesAreRefused(text: String, expected: String) {
    do {
      _ = try Comparison(json: Data(text.utf8))
      Issue.record("was read")
    } catch {
      guard case .file(expected, _) = error else {
        Issue.record(error)
        return
      }
    }
  }

  @Test func numbersThatAreNotFiniteNameTheirPlace() {
    func error(_ change: (inout Study) -> Void) -> ComparisonError? {
      var study = Sample.study(documents: 10)
      change(&study)
      do {
        _ = try Comparison(study, bootstrap: Self.quick)
        return nil
      } catch { return error }
    }
    #expect(
      error { $0.cells[4].target[3].nll = .nan }
        == .notFinite(cell: "arm 'standard' under rule 'L2', seed 1", text: "target", document: "test-3", found: "nan"))
    #expect(
      error { $0.cells[0].retention[1].nll = -.infinity }
        == .notFinite(cell: "arm 'base' without a limit", text: "retention", document: "wiki-1", found: "-inf"))
    #expect(
      error { $0.cells[0].layers[2].bytes = .infinity }
        == .figure(place: "arm 'base' without a limit, layer 2", name: "bytes", found: "inf"))
    #expect(
      error { $0.curves[1].points[9].train = .nan }
        == .figure(place: "arm 'L2', step 9", name: "training loss", found: "nan"))
    #expect(
      error { $0.layers[1].chosen.imbalance = .nan }
        == .figure(place: "layer 1", name: "imbalance (chosen)", found: "nan"))
    #expect(
      error { $0.layers[1].expertDevice[5] = 4 }
        == .layer(layer: 1, name: "expert_device", expected: "devices in 0..<4", found: "4"))
    #expect(error { $0.cells.append($0.cells[2]) } == .repeatedCell(cell: "arm 'base' under rule 'L1'"))
    #expect(error { $0.cells = [] } == .empty)
    #expect(
      error { $0.cells[5].target.removeLast() }
        == .differentDocuments(
          cell: "arm 'standard' under rule 'L1', seed 1", other: "arm 'standard' without a limit, seed 1",
          text: "target",
          document: "test-9"))
    #expect(
      error { $0.cells[6].seed = 2 }
        == .differentSeeds(
          cell: "arm 'L2' without a limit, seed 2", other: "arm 'standard' without a limit, seed 1", expected: [1],
          found: [2]))
  }

  @Test func tableFitsATerminal() throws {
    for name in ["L2", "a-very-long-name-of-an-arm-with-everything"] {
      var study = Sample.study()
      for index in study.cells.indices where study.cells[index].arm == "L2" { study.cells[index].arm = name }
      let table = ComparisonTable(try Comparison(study, bootstrap: Self.quick)).plain
      let lines = table.split(separator: "\n")
      #expect(lines.allSatisfy { $0.count <= 120 })
      #expect(lines.count { $0.hasPrefix("standard") } == 3)
    }
  }

  /// What a limit costs under its own arm: recovery, the share of the gain kept with its bound, and what would be seen.
  @Test func asTrainedSaysWhetherItIsGoodEnough() throws {
    let comparison = try Comparison(Sample.study(), bootstrap: Self.quick)
    let lines = ComparisonTable(comparison).plain.split(separator: "\n")
    let place = try #require(lines.firstIndex { $0.hasPrefix("as trained") })
    for (offset, arm) in ["L2", "L1"].enumerated() {
      let cell = try #require(comparison.results.first { $0.arm == arm && $0.isMatched })
      let statement = try #require(cell.nonInferiority)
      let fields = lines[place + 1 + offset].split(separator: " ").map(String.init)
      let difference = try #require(cell.difference)
      #expect(fields.first == arm && fields.last == Numbers.fixed(difference.detectable, 4))
      for value in [statement.kept, statement.keptAtLeast] {
        let share = Numbers.share(value ?? .nan)
        #expect(fields.contains(String(share.dropLast(2))))
      }
      #expect(fields.contains(statement.words))
    }
    #expect(ComparisonTable(comparison).markdown.contains("| as trained | recovery |"))
  }

  @Test func markdownEscapesBars() throws {
    var study = Sample.study(documents: 10)
    study.cells[0].arm = "a|b"
    let table = ComparisonTable(try Comparison(study, bootstrap: Self.quick)).markdown
    let lines = table.split(separator: "\n")
    #expect(lines[0].count { $0 == "|" } == 13 && lines[1].count { $0 == "|" } == 13)
    #expect(lines[2].hasPrefix("| a\\|b | – | "))
  }
}
