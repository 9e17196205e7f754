internal import Routing

extension RecordedRows {
  /// The rows of an array `[tokens, layers, k]`; see ``RecordedSource/Contents/array(_:)``.
  init(_ array: NumPyArray, file: String, experts asked: Int?, firstLayer: Int) throws(RecordedRoutingError) {
    guard array.shape.count == 3, let k = array.shape.last, !array.shape.contains(0) else {
      throw .array(
        file: file, item: "shape", expected: "[tokens, layers, k], none of them 0", found: "\(array.shape)",
        advice: "the routed_experts of one request")
    }
    guard (0...Most.layers - firstLayer).contains(array.shape[1]) else {
      throw .array(
        file: file, item: "shape", expected: "at most \(Most.layers - firstLayer) layers from layer \(firstLayer) on",
        found: "\(array.shape)", advice: "the routed_experts of one request")
    }
    guard !array.element.isFloat else {
      throw .array(
        file: file, item: "dtype", expected: "integers (int16 or the like)", found: "\(array.element)",
        advice: "array.astype('int16') before saving, or --loads for shares of experts")
    }
    self.init(file: file, experts: asked ?? 0, topK: k, documentCount: 1)
    var broken: (token: Int, layer: Int, problem: String)?
    var brokenCount = 0
    array.withIntegers { value in
      for index in 0..<array.shape[1] {
        let layer = index + firstLayer
        func id(_ token: Int, _ slot: Int) -> Int {
          value(token * array.strides[0] + index * array.strides[1] + slot * array.strides[2])
        }
        let isDense = k > 1 && (0..<array.shape[0]).allSatisfy { token in (0..<k).allSatisfy { id(token, $0) == 0 } }
        if isDense {
          warnings.append("\(file): layer \(layer) is all zero: taken for a dense one and left out")
          continue
        }
        var rows = Layer()
        rows.ids.reserveCapacity(array.shape[0] * k)
        rows.documents = [Int32](repeating: 0, count: array.shape[0])
        for token in 0..<array.shape[0] {
          let row = (0..<k).map { id(token, $0) }
          if let problem = problem(row) {
            brokenCount += 1
            if broken == nil { broken = (token, layer, problem) }
          }
          rows.ids += row.map { Int32(truncatingIfNeeded: $0) }
          largest = max(largest, row.max() ?? -1)
        }
        layers[layer] = rows
      }
    }
    if let broken {
      throw .brokenRow(
        file: file, token: broken.token, layer: broken.layer, problem: broken.problem, total: brokenCount)
    }
    guard !layers.isEmpty else { throw .empty(file: file) }
  }

  /// The recorded sets of a profile.
  init(_ profile: CollaborationProfile, file: String, experts asked: Int?) throws(RecordedRoutingError) {
    if let asked, asked != profile.experts { throw .experts(file: file, asked: asked, recorded: profile.experts) }
    self.init(file: file, experts: profile.experts, topK: profile.topK, modelType: profile.modelType)
    for layer in profile.layers {
      guard layer.recorded > 0 else { throw .noSets(file: file, layer: layer.layer) }
      if layer.recorded < layer.tokens {
        warnings.append(
          "\(file): layer \(layer.layer): \(layer.recorded) of \(layer.tokens) tokens are recorded one by one; "
            + "counting these alone")
      }
      layers[layer.layer] = Layer(ids: layer.sets, weights: layer.weights, documents: layer.documents)
      largest = max(largest, Int(layer.sets.max() ?? -1))
      documentCount = max(documentCount, Int(layer.documents.max() ?? -1) + 1)
    }
  }

  /// What is wrong with a row's experts, in words; nil if nothing.
  func problem(_ ids: [Int]) -> String? {
    let bound = experts > 0 ? experts : Self.mostExperts
    if let id = ids.first(where: { !(0..<bound).contains($0) }) {
      return "topk_ids: expected experts in 0..<\(experts > 0 ? String(experts) : "E"), found \(id)"
    }
    for (slot, id) in ids.enumerated() where ids[..<slot].contains(id) {
      return "topk_ids: expected different experts, found one twice"
    }
    return nil
  }
}
