internal import Formats
internal import Routing
import Foundation

/// The rows of one file of a recording, checked one by one.
struct RecordedRows {
  /// Rows of one layer in order of the file.
  struct Layer {
    var ids: [Int32] = []
    /// Empty where the file has none.
    var weights: [Float] = []
    var documents: [Int32] = []

    /// Each row's experts, ascending.
    func sets(topK: Int) -> [[Int32]] {
      stride(from: 0, to: ids.count, by: topK).map { ids[$0..<$0 + topK].sorted() }
    }
  }

  let file: String
  var layers: [Int: Layer] = [:]
  /// E; 0 where neither the file nor the caller says it.
  var experts: Int
  var topK = 0
  var modelType: String?
  /// The largest id.
  var largest = -1
  var documentCount = 0
  /// What a reader should know, in words.
  var warnings: [String] = []

  /// Most experts of a layer.
  static let mostExperts = Most.profiledExperts

  /// How many broken lines a message names.
  private static let namedLines = 10

  private struct Line: Decodable {
    var type: String?
    var layer: Int?
    var ids: [Int]?
    var weights: [Float]?
    var request: String?
    var experts: Int?
    var topK: Int?
    var modelType: String?
    /// Keys that nothing here reads.
    var unread: [String] = []

    /// Where a recording is from, and a counter of its rows.
    static let withoutEffect: Set = [
      "token_idx", "model_id", "vllm_version", "torch_version", "transformers_version", "device", "seed",
      "layers_logged", "created_at",
    ]

    private struct Key: CodingKey {
      let stringValue: String
      let intValue: Int? = nil
      init(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { return nil }

      static let type = Key(stringValue: "type"), layer = Key(stringValue: "layer")
      static let ids = Key(stringValue: "topk_ids"), weights = Key(stringValue: "topk_weights")
      static let request = Key(stringValue: "req_id"), modelType = Key(stringValue: "model_type")
      static let experts = Key(stringValue: "num_experts"), topK = Key(stringValue: "top_k")
    }

    private static let known = withoutEffect.union(
      [Key.type, .layer, .ids, .weights, .request, .modelType, .experts, .topK].map(\.stringValue))

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Key.self)
      type = try container.decodeIfPresent(String.self, forKey: .type)
      layer = try container.decodeIfPresent(Int.self, forKey: .layer)
      ids = try container.decodeIfPresent([Int].self, forKey: .ids)
      weights = try container.decodeIfPresent([Float].self, forKey: .weights)
      experts = try container.decodeIfPresent(Int.self, forKey: .experts)
      topK = try container.decodeIfPresent(Int.self, forKey: .topK)
      modelType = try container.decodeIfPresent(String.self, forKey: .modelType)
      for key in container.allKeys where !Self.known.contains(key.stringValue) {
        if try !container.decodeNil(forKey: key) { unread.append(key.stringValue) }
      }
      // Programs number their requests as well as name them.
      if let text = try? container.decodeIfPresent(String.self, forKey: .request) {
        request = text
      } else {
        request = try container.decodeIfPresent(Int.self, forKey: .request).map(String.init)
      }
    }
  }

  /// What is wrong with a line; its number is added by the caller.
  private struct Problem: Error { let text: String }

  /// No rows yet.
  init(file: String, experts: Int, topK: Int = 0, modelType: String? = nil, documentCount: Int = 0) {
    (self.file, self.experts, self.topK) = (file, experts, topK)
    (self.modelType, self.documentCount) = (modelType, documentCount)
  }

  /// The lines of a text; see ``RecordedSource/Contents/lines(_:)``.
  init(_ jsonl: Data, file: String, experts asked: Int?) throws(RecordedRoutingError) {
    let decoder = JSONDecoder()
    var broken: [RecordedRoutingError.BrokenLine] = []
    var brokenCount = 0
    var documents: [String: Int32] = [:]
    var recorded: Int?
    var unread: Set<String> = []
    self.init(file: file, experts: asked ?? 0)
    for (index, text) in jsonl.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
      if text.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\t") }) {
        continue
      }
      do throws(Problem) {
        let line = try Self.decode(text, decoder)
        unread.formUnion(line.unread)
        if line.type == "meta" {
          guard layers.isEmpty, index == 0 else { throw Problem(text: "expected \"meta\" in the first line only") }
          if let found = line.experts, !(1...Self.mostExperts).contains(found) {
            throw Problem(text: "num_experts: expected 1...\(Self.mostExperts), found \(found)")
          }
          recorded = line.experts
          experts = asked ?? line.experts ?? 0
          if let found = line.topK, !(1...(line.experts ?? Self.mostExperts)).contains(found) {
            throw Problem(text: "top_k: expected 1...\(line.experts ?? Self.mostExperts), found \(found)")
          }
          topK = line.topK ?? 0
          modelType = line.modelType
          continue
        }
        let document = documents[line.request ?? "", default: Int32(truncatingIfNeeded: documents.count)]
        try add(line, document: document)
        documents[line.request ?? ""] = document
        largest = max(largest, line.ids?.max() ?? -1)
      } catch {
        brokenCount += 1
        if broken.count < Self.namedLines { broken.append(.init(line: index + 1, problem: error.text)) }
      }
    }
    if let asked, let recorded, asked != recorded { throw .experts(file: file, asked: asked, recorded: recorded) }
    guard broken.isEmpty else { throw .broken(file: file, lines: broken, total: brokenCount) }
    guard !layers.isEmpty else { throw .empty(file: file) }
    documentCount = documents.count
    if !unread.isEmpty {
      let names = unread.sorted().map { "'\($0)'" }.joined(separator: ", ")
      warnings.append("\(file): nothing here reads \(names)")
    }
  }

  private static func decode(_ text: Data, _ decoder: JSONDecoder) throws(Problem) -> Line {
    do {
      return try decoder.decode(Line.self, from: text)
    } catch DecodingError.typeMismatch(_, let context) where !context.codingPath.isEmpty {
      throw Problem(text: "\(context.codingPath[0].stringValue): found a value of another type than expected")
    } catch  where namesNonFinite(text) {
      throw Problem(text: "topk_weights: expected finite weights, found NaN or infinity")
    } catch DecodingError.dataCorrupted where JSONParser.accepts(text) {
      throw Problem(text: "expected whole numbers for layer and topk_ids, found a fraction or one too large")
    } catch {
      throw Problem(text: "expected a JSON object, found something else, or a line cut short")
    }
  }

  /// Python writes NaN and Infinity, which are no JSON.
  private static func namesNonFinite(_ text: Data) -> Bool {
    text.range(of: Data("NaN".utf8)) != nil || text.range(of: Data("Infinity".utf8)) != nil
  }

  private mutating func add(_ line: Line, document: Int32) throws(Problem) {
    guard line.type ?? "route" == "route" else {
      throw Problem(text: "type: expected \"route\", found \"\(line.type ?? "")\"")
    }
    guard let layer = line.layer else { throw Problem(text: "expected a key layer, found none") }
    guard (0..<Most.layers).contains(layer) else {
      throw Problem(text: "layer: expected \(layer < 0 ? "0 or more" : "less than \(Most.layers)"), found \(layer)")
    }
    guard let ids = line.ids, !ids.isEmpty else { throw Problem(text: "expected a list topk_ids, found none") }
    guard let weights = line.weights else { throw Problem(text: "expected a list topk_weights, found none") }
    if topK == 0 { topK = ids.count }
    guard ids.count == topK else { throw Problem(text: "topk_ids: expected \(topK) experts, found \(ids.count)") }
    guard weights.count == topK else {
      throw Problem(text: "topk_weights: expected \(topK) weights, found \(weights.count)")
    }
    if let problem = problem(ids) { throw Problem(text: problem) }
    guard weights.allSatisfy(\.isFinite) else {
      throw Problem(text: "topk_weights: expected finite weights, found NaN or infinity")
    }
    layers[layer, default: Layer()].ids += ids.map { Int32(truncatingIfNeeded: $0) }
    layers[layer, default: Layer()].weights += weights
    layers[layer, default: Layer()].documents.append(document)
  }
}
