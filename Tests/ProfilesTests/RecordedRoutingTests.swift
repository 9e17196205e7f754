import Foundation
import Testing

@testable import Placements
@testable import Profiles

@Suite struct RecordedRoutingTests {
  /// Figures of `recorded_routing.jsonl`, counted in Python.
  @Test func readsARealRecording() throws {
    let recording = try RecordedRouting(path: oracle("recorded_routing.jsonl"))
    let profile = recording.profile
    #expect(profile.experts == 64 && profile.topK == 8 && profile.tokens == 288 && profile.modelType == "olmoe")
    #expect(recording.warnings.isEmpty)
    #expect(recording.dropped.map(\.layer) == [0, 3])
    #expect(
      recording.dropped[0].description
        == "layer 0: dropped 48 of 336 rows, all with experts 0, 1, 2, 3, 4, 5, 6, 7: start-up dummies")
    let contiguous = try Placement(profile, devices: 4, method: .contiguous)
    for (layer, rows, intra, loads) in [(0, 1016, 1960, [451, 670, 471, 712]), (1, 1037, 1935, [556, 573, 442, 733])] {
      let found = profile.layers[layer]
      let predicted = try #require(contiguous.layers[layer].predicted)
      #expect(found.coactivation.reduce(0, +) == 2 * 8064)
      #expect(predicted.devicesPerToken == Double(rows) / 288)
      #expect(predicted.intraShare == Double(intra) / 8064)
      #expect(predicted.imbalance == Double((loads.max() ?? 0) * 4) / Double(8 * 288))
      #expect(Set(found.documents).count == 2)
    }
    #expect(Array(profile.layers[0].sets.prefix(8)) == [5, 8, 19, 22, 41, 57, 60, 63])
    #expect(profile.layers[0].coactivation[29 * 64 + 56] == 85 && profile.layers[1].coactivation[43 * 64 + 49] == 81)

    // What the methods are for, on real choices: the greedy saves copies and costs balance, refinement saves within the
    // cap.
    let greedy = try Placement(profile, devices: 4, method: .occult)
    let refined = try Placement(profile, devices: 4, method: .refined, options: .init(proposals: 50_000))
    for layer in 0..<2 {
      let plain = try #require(contiguous.layers[layer].predicted)
      let paper = try #require(greedy.layers[layer].predicted)
      let ours = try #require(refined.layers[layer].predicted)
      #expect(paper.devicesPerToken < plain.devicesPerToken && ours.devicesPerToken < plain.devicesPerToken)
      #expect(ours.imbalance <= 1.1 && paper.imbalance > 1.1)
    }
  }

  static func lines(_ rows: Int, dummies: Int = 0) -> [String] {
    let dummy = "{\"layer\":1,\"topk_ids\":[1,0],\"topk_weights\":[0.5,0.5]}"
    return [String](repeating: dummy, count: dummies)
      + (0..<rows).map { "{\"layer\":1,\"topk_ids\":[\($0 % 7 + 1),\($0 % 5 + 9)],\"topk_weights\":[0.75,0.25]}" }
  }

  static func read(_ lines: [String], experts: Int? = nil) throws(RecordedRoutingError) -> RecordedRouting {
    try RecordedRouting(jsonl: Data(lines.joined(separator: "\n").utf8), file: "r.jsonl", experts: experts)
  }

  @Test func expertsComeFromTheCallerOrTheLargestId() throws {
    let guessed = try Self.read(Self.lines(35))
    #expect(guessed.profile.experts == 14)
    #expect(
      guessed.warnings == [
        "r.jsonl: the recording does not say how many experts there are; taking the largest id + 1 = 14; try --experts"
      ])
    let asked = try Self.read(Self.lines(35), experts: 16)
    #expect(asked.profile.experts == 16 && asked.warnings.isEmpty && asked.dropped.isEmpty)
    let weights = asked.profile.layers[0].weights
    #expect(Array(weights.prefix(2)) == [0.75, 0.25] && asked.profile.layers[0].layer == 1)
  }

  @Test func dummiesAreThoseOverATenth() throws {
    #expect(try Self.read(Self.lines(36, dummies: 4)).dropped.isEmpty)  // exactly a tenth
    let dropped = try Self.read(Self.lines(36, dummies: 5)).dropped
    #expect(dropped == [RecordedRouting.Dummy(layer: 1, set: [0, 1], rows: 5, of: 41)])
    #expect(try Self.read(Self.lines(1)).dropped.isEmpty)  // once is no dummy
  }

  /// Where few experts can be chosen, real sets are as frequent as dummies, but do not come one after the other.
  @Test func frequentSetsThatAreMixedWithOthersStay() throws {
    let mixed = zip(Self.lines(0, dummies: 30), Self.lines(30)).flatMap { [$0, $1] }
    #expect(try Self.read(mixed).dropped.isEmpty)
  }

  @Test func blankLinesAndCarriageReturnsAreNothing() throws {
    #expect(try Self.read(Self.lines(35).map { $0 + "\r" } + ["", " "]).profile.tokens == 35)
  }

  @Test(arguments: [
    ("{\"layer\":1,\"topk_ids\":[1,2", "expected a JSON object, found something else, or a line cut short"),
    (
      "{\"layer\":1,\"topk_ids\":[1,2.5],\"topk_weights\":[1,0]}",
      "expected whole numbers for layer and topk_ids, found a fraction or one too large"
    ),
    ("[]", "expected a JSON object, found something else, or a line cut short"),
    ("{\"topk_ids\":[1,2],\"topk_weights\":[1,0]}", "expected a key layer, found none"),
    ("{\"layer\":-1,\"topk_ids\":[1,2],\"topk_weights\":[1,0]}", "layer: expected 0 or more, found -1"),
    ("{\"layer\":1,\"topk_weights\":[1,0]}", "expected a list topk_ids, found none"),
    ("{\"layer\":1,\"topk_ids\":[1,2]}", "expected a list topk_weights, found none"),
    ("{\"layer\":1,\"topk_ids\":[1,2,3],\"topk_weights\":[1,0,0]}", "topk_ids: expected 2 experts, found 3"),
    ("{\"layer\":1,\"topk_ids\":[1,2],\"topk_weights\":[1]}", "topk_weights: expected 2 weights, found 1"),
    ("{\"layer\":1,\"topk_ids\":[1,16],\"topk_weights\":[1,0]}", "topk_ids: expected experts in 0..<16, found 16"),
    ("{\"layer\":1,\"topk_ids\":[-1,2],\"topk_weights\":[1,0]}", "topk_ids: expected experts in 0..<16, found -1"),
    (
      "{\"layer\":1,\"topk_ids\":[2,2],\"topk_weights\":[1,0]}", "topk_ids: expected different experts, found one twice"
    ),
    (
      "{\"layer\":\"a\",\"topk_ids\":[1,2],\"topk_weights\":[1,0]}",
      "layer: found a value of another type than expected"
    ),
    (
      "{\"layer\":1,\"topk_ids\":[1,2],\"topk_weights\":[NaN,0]}",
      "topk_weights: expected finite weights, found NaN or infinity"
    ),
    ("{\"type\":\"note\",\"layer\":1}", "type: expected \"route\", found \"note\""),
    ("{\"type\":\"meta\",\"num_experts\":16}", "expected \"meta\" in the first line only"),
  ])
  func brokenLinesAreNamed(line: String, problem: String) {
    do throws(RecordedRoutingError) {
      _ = try Self.read(Self.lines(3) + [line] + Self.lines(2), experts: 16)
      Issue.record("no error for \(line)")
    } catch { #expect(error.description == "r.jsonl:4: \(problem)") }
  }

  @Test func otherErrorsAreThisText() {
    func message(_ lines: [String], experts: Int? = nil) -> String {
      do throws(RecordedRoutingError) {
        _ = try Self.read(lines, experts: experts)
        return "no error"
      } catch { return error.description }
    }
    let meta = "{\"type\":\"meta\",\"num_experts\":14}"
    #expect(message([]) == "r.jsonl: expected lines with layer, topk_ids and topk_weights, found none")
    #expect(message([meta]) == "r.jsonl: expected lines with layer, topk_ids and topk_weights, found none")
    #expect(
      message([meta] + Self.lines(35), experts: 64)
        == "r.jsonl: num_experts: expected 64 as asked for, found 14; try without --experts")
    #expect(
      message(Self.lines(0, dummies: 20))
        == "r.jsonl: layer 1: expected routing of real text, found 20 rows that repeat a few sets "
        + "(each over 10 %: start-up dummies); try a longer recording")
    let many = message([String](repeating: "x", count: 12))
    #expect(many.hasSuffix("r.jsonl: 2 more broken lines") && many.split(separator: "\n").count == 11)
    do throws(RecordedRoutingError) {
      _ = try RecordedRouting(path: "/nowhere.jsonl")
      Issue.record("no error")
    } catch { #expect(error.description == "/nowhere.jsonl: expected a readable JSONL file or .npy array, found none") }
  }
}
