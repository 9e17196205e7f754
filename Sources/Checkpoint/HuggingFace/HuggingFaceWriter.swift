internal import Foundation

/// How experts are named in a Hugging Face folder.
public enum HuggingFaceLayout: String, Sendable, CaseIterable {
  /// One tensor an expert and projection, as on the hub.
  case perExpert = "per_expert"
  /// Stacked per layer, as transformers 5 keeps them in memory.
  case fused
}

/// Writes a folder that `AutoModelForCausalLM.from_pretrained` loads.
public enum HuggingFaceWriter {
  /// Writes weights, configuration, tokenizer and small files.
  ///
  /// - Parameters:
  ///   - folder: Name of the folder; made where missing.
  ///   - weights: Where parameters come from.
  ///   - dtype: Type to store all parameters in; each one's own if nil.
  ///   - layout: Names of experts.
  ///   - maximumShardBytes: Largest safetensors file.
  ///   - extras: Configuration, tokenizer, small files; routing and training state have no place in the hub's layout.
  /// - Throws: ``FileError``.
  public static func write(
    _ folder: String, weights: some ParameterBytes, dtype: ElementType? = nil, layout: HuggingFaceLayout = .perExpert,
    maximumShardBytes: Int = 5_000_000_000, extras: CheckpointExtras
  ) throws(FileError) {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw .system(path: folder, action: .create, code: errno == 0 ? EACCES : errno)
    }
    let parameters = try weights.inventory()
    let pieces = parameters.map { Self.pieces($0, dtype ?? $0.type, layout) }
    var file = try SafetensorsWriter(
      folder: folder, tensors: pieces.flatMap(\.self), maximumShardBytes: maximumShardBytes)
    for (parameter, pieces) in zip(parameters, pieces) {
      try weights.withBytes(parameter, as: dtype ?? parameter.type) { (bytes) throws(FileError) in
        var offset = 0
        for piece in pieces {
          let count = piece.shape.reduce(piece.type.byteCount, *)
          try file.write(piece.name, UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]))
          offset += count
        }
      }
    }
    try file.commit()
    var texts = extras.companions
    texts["config.json"] = dtype.map { stating($0, in: extras.configurationJSON) } ?? extras.configurationJSON
    texts["tokenizer.json"] = extras.tokenizerJSON
    for (name, text) in texts.sorted(by: { $0.key < $1.key }) {
      try PendingFile.write(text, to: (folder as NSString).appendingPathComponent(name))
    }
  }

  private static func pieces(
    _ parameter: StoredParameter, _ type: ElementType, _ layout: HuggingFaceLayout
  ) -> [SafetensorsWriter.Declaration] {
    guard layout == .perExpert, let experts = ExpertNames(parameter.path.name) else {
      return [.init(name: parameter.path.name, type: type, shape: parameter.shape)]
    }
    let shape = [parameter.shape[1] / experts.projections.count, parameter.shape[2]]
    return experts.perExpert(parameter.shape[0]).map { .init(name: $0, type: type, shape: shape) }
  }

  /// The configuration with its `dtype` (or `torch_dtype`) replaced; everything else stays verbatim.
  private static func stating(_ type: ElementType, in json: String) -> String {
    json.replacing(/"(torch_dtype|dtype)"(\s*):(\s*)"[a-z0-9]+"/) { match in
      "\"\(match.output.1)\"\(match.output.2):\(match.output.3)\"\(type)\""
    }
  }
}
