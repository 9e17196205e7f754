internal import Files
internal import Models
internal import Tensors

/// `/adapter` of a checkpoint: low-rank adapters over the weights that the file or its base holds.
///
/// Attributes `roles` and, for each, `<role>_rank` and `<role>_alpha`; A and B as datasets under the path of what they
/// adapt; `<stack>/adapted`, int32 `[n]`, where not all experts of a stack are.
struct AdapterGroup {
  let settings: AdapterSettings
  private let file: HDF5Reader

  /// Ranks that a file may name.
  static let ranks = 1...65_536
  private static let name = "adapter"
  /// Where a stack's adapted experts are listed.
  private static func list(_ stack: String) -> String { name + "/" + stack.replacing(".", with: "/") + "/adapted" }

  /// Reads what is adapted; nil where there is no `/adapter`. Every dataset of the group is accounted for.
  init?(_ file: HDF5Reader, _ configuration: ModelConfiguration) throws(FileError) {
    guard try file.contains(Self.name) else { return nil }
    self.file = file
    let base = ModelFamily.parameters(configuration)
    var settings = AdapterSettings(roles: try Self.roles(file))
    var known: Set<String> = []
    for (path, shape) in base where shape.count == 3 {
      let stack = path.parent.name
      guard settings.roles[path.role] != nil, settings.experts[stack] == nil, try file.contains(Self.list(stack)) else {
        continue
      }
      settings.experts[stack] = try Self.experts(file, Self.list(stack), count: shape[0])
      known.insert("/" + Self.list(stack))
    }
    let factors = settings.parameters(over: base)
    known.formUnion(factors.map { "/" + $0.path.datasetPath })
    if let stranger = try file.datasets().first(where: { $0.hasPrefix("/\(Self.name)/") && !known.contains($0) }) {
      throw .invalid(
        path: file.path, item: stranger, expected: "only factors of the adapters that /adapter names",
        found: "this dataset besides")
    }
    for (path, shape) in factors {
      let info = try file.info("/" + path.datasetPath)
      guard info.shape == shape else {
        throw .shape(path: file.path, item: info.path, expected: shape, found: info.shape)
      }
    }
    self.settings = settings
  }

  private static func roles(_ file: HDF5Reader) throws(FileError) -> [Role: AdapterSettings.LowRank] {
    var roles: [Role: AdapterSettings.LowRank] = [:]
    for name in try file.string(attribute: "roles", of: Self.name).split(separator: " ").map(String.init) {
      let (rank, alpha) = (
        try file.integer(attribute: name + "_rank", of: Self.name),
        try file.real(attribute: name + "_alpha", of: Self.name)
      )
      guard let role = Role(rawValue: name), ranks.contains(rank), alpha > 0,
        alpha <= AdapterSettings.LowRank.mostAlpha
      else {
        throw .invalid(
          path: file.path, item: "/adapter \(name)",
          expected:
            "a role with a rank in \(ranks) and an alpha above 0 and at most \(AdapterSettings.LowRank.mostAlpha)",
          found: "rank \(rank), alpha \(alpha)")
      }
      roles[role] = .init(rank: rank, alpha: alpha)
    }
    return roles
  }

  private static func experts(_ file: HDF5Reader, _ dataset: String, count: Int) throws(FileError) -> [Int] {
    let shape = try file.info("/" + dataset).shape
    guard shape.count == 1, (1...count).contains(shape[0]) else {
      throw .shape(path: file.path, item: "/" + dataset, expected: [count], found: shape)
    }
    var numbers = [Int32](repeating: 0, count: shape[0])
    try numbers.withUnsafeMutableBufferPointer { (buffer) throws(FileError) in
      try file.read(dataset, shape: shape, type: .int32, into: UnsafeMutableRawBufferPointer(buffer))
    }
    let experts = numbers.map(Int.init)
    guard zip(experts, experts.dropFirst()).allSatisfy({ $0 < $1 }), (0..<count).contains(experts[0]),
      experts[experts.count - 1] < count
    else {
      throw .invalid(
        path: file.path, item: "/" + dataset, expected: "ascending experts below \(count)", found: "\(experts)")
    }
    return experts
  }

  /// Writes what is adapted; the factors are parameters and written as such.
  static func write(
    _ settings: AdapterSettings, to file: borrowing HDF5Writer
  ) throws(FileError) {
    try file.makeGroup(name)
    for (stack, experts) in settings.experts.sorted(by: { $0.key < $1.key }) {
      let numbers = experts.map(Int32.init)
      try numbers.withUnsafeBufferPointer { (numbers) throws(FileError) in
        try file.write(
          list(stack), shape: [numbers.count], type: .int32, bytes: UnsafeRawBufferPointer(numbers))
      }
    }
    let roles = Role.allCases.filter { settings.roles[$0] != nil }
    try file.setAttribute("roles", .string(roles.map(\.rawValue).joined(separator: " ")), of: name)
    for role in roles {
      guard let size = settings.roles[role] else { continue }
      try file.setAttribute(role.rawValue + "_rank", .integer(size.rank), of: name)
      try file.setAttribute(role.rawValue + "_alpha", .real(size.alpha), of: name)
    }
  }

  /// Gives a model the adapters of the file; where it is a shard, those of its experts.
  func attach(to model: inout LanguageModel, _ shard: ExpertShard? = nil) throws(FileError) {
    model.attach(shard?.ownAdapters ?? settings)
    var failure: FileError?
    model.updateParameters { path, tensor in
      guard path.isAdapter, failure == nil else { return }
      do throws(FileError) { tensor = try factor(path, shard?.entries(of: path.name)) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// A or B, in float32; some entries of a stack, or all.
  func factor(_ path: ParameterPath, _ entries: [Int]? = nil) throws(FileError) -> Tensor {
    try file.tensor("/" + path.datasetPath, entries)
  }

  /// Both factors of a parameter; nil where it has none.
  func factors(_ parameter: StoredParameter) throws(FileError) -> (a: Tensor, b: Tensor)? {
    guard let factors = settings.factors(of: parameter.path, shape: parameter.shape) else { return nil }
    return (try factor(factors.a.path), try factor(factors.b.path))
  }
}
