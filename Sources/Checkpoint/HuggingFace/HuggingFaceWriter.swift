public import Files

/// How experts are named in a Hugging Face folder.
public enum HuggingFaceLayout: String, Sendable, CaseIterable {
  /// One tensor an expert and projection, as on the hub.
  case perExpert = "per_expert"
  /// Stacked per layer, as transformers 5 keeps them in memory.
  case fused
}

/// Writes a folder that `AutoModelForCausalLM.from_pretrained` loads.
public enum HuggingFaceWriter {
  /// Writes weights, configuration, tokenizer and small files; the folder appears as a whole, with its manifest.
  ///
  /// - Parameters:
  ///   - folder: Name of the folder: missing, empty, or an export that is replaced.
  ///   - weights: Where parameters come from.
  ///   - dtype: Type to store all parameters in; each one's own if nil.
  ///   - layout: Names of experts.
  ///   - maximumShardBytes: Largest safetensors file.
  ///   - extras: Configuration, tokenizer, small files; routing and training state have no place in the hub's layout.
  ///   - overwrites: Whether a folder that holds an earlier export, and nothing else, is replaced.
  ///   - program: Name and version for `created_by`.
  /// - Throws: ``FileError``, ``ConversionError`` or `FolderError`; the folder is then as it was.
  public static func write(
    _ folder: String, weights: some ParameterBytes, dtype: ElementType? = nil, layout: HuggingFaceLayout = .perExpert,
    maximumShardBytes: Int = 5_000_000_000, extras: CheckpointExtras, overwrites: Bool = false,
    program: String = "occult"
  ) throws {
    let pending = try PendingFolder(folder, overwrites: overwrites)
    var files = try write(weights, dtype, layout, maximumShardBytes, extras.modelType, into: pending.path)
    func add(_ name: String, _ bytes: UnsafeRawBufferPointer) throws(FileError) {
      try PendingFile.write(bytes, to: pending.path + "/" + name)
      files.append(.init(name, bytes))
    }
    if let bytes = extras.tokenizerModel {
      try bytes.withUnsafeBytes { try add(HubFiles.tokenizerModelName, $0) }
    }
    var texts = extras.companions
    texts[HubFiles.configurationName] = stating(
      try dtype ?? Self.type(of: weights.inventory()), in: extras.configurationJSON)
    texts[HubFiles.tokenizerName] = extras.tokenizerJSON
    for (name, text) in texts.sorted(by: { $0.key < $1.key }) {
      try Array(text.utf8).withUnsafeBytes { try add(name, $0) }
    }
    try pending.commit(files, program: program)
  }

  /// Writes the weights into a folder that is there.
  private static func write(
    _ weights: some ParameterBytes, _ dtype: ElementType?, _ layout: HuggingFaceLayout, _ maximumShardBytes: Int,
    _ modelType: String, into folder: String
  ) throws(FileError) -> [FolderManifest.File] {
    let parameters = try weights.inventory()
    let names = HubNames(modelType: modelType)
    let tensors = parameters.map { Self.tensors($0, dtype ?? $0.type, names, layout) }
    var file = try SafetensorsWriter(
      folder: folder, tensors: tensors.flatMap(\.self), maximumShardBytes: maximumShardBytes)
    for (parameter, tensors) in zip(parameters, tensors) {
      // Pieces end where an entry of the first axis does, tensors somewhere in it.
      var (current, done) = (0, 0)
      try weights.withBytes(parameter, as: dtype ?? parameter.type) { (bytes) throws(FileError) in
        var rest = bytes[...]
        while !rest.isEmpty {
          let tensor = tensors[current]
          let part = rest.prefix(tensor.byteCount - done)
          try file.write(tensor.name, UnsafeRawBufferPointer(rebasing: part))
          (rest, done) = (rest.dropFirst(part.count), done + part.count)
          if done == tensor.byteCount { (current, done) = (current + 1, 0) }
        }
      }
    }
    return try file.committed()
  }

  private static func tensors(
    _ parameter: StoredParameter, _ type: ElementType, _ names: HubNames, _ layout: HuggingFaceLayout
  ) -> [SafetensorsWriter.Declaration] {
    names.written(parameter.path.name, shape: parameter.shape, layout: layout).map {
      .init(name: $0.tensor, type: type, shape: $0.shape)
    }
  }

  /// The type that most of the elements have; of two that have as many, the wider.
  private static func type(of parameters: [StoredParameter]) -> ElementType {
    var counts: [ElementType: Int] = [:]
    for parameter in parameters { counts[parameter.type, default: 0] += parameter.count }
    return counts.max { ($0.value, $0.key.byteCount) < ($1.value, $1.key.byteCount) }?.key ?? .float32
  }

  /// The configuration that says the type of the tensors beside it: as `dtype`, as `torch_dtype` in files of
  /// transformers 4, as both where both are there. Everything else stays verbatim, and all of it where it says so
  /// already.
  private static func stating(_ type: ElementType, in json: String) -> String {
    var config = ConfigurationText(json)
    let (value, keys) = ("\"\(type)\"", ["dtype", "torch_dtype"].filter { config.value(of: $0) != nil })
    if keys.isEmpty { config.append("dtype", value) }
    for key in keys where config.value(of: key) != value { config.set(key, value) }
    return config.text
  }
}
