internal import Files
internal import Models

/// What the base model's parameters are called in a folder of PEFT's.
struct PEFTModules {
  /// A parameter that factors may belong to.
  struct Target {
    let parameter: StoredParameter
    /// What our factors of it are named under.
    let host: String
    /// The last part of the parameter's name.
    var lastName: String { String(parameter.path.name.dropFirst(parameter.path.parent.name.count + 1)) }
  }

  /// Matrices, by module.
  private(set) var matrices: [String: Target] = [:]
  /// Projections of single experts, by module, with the expert and the rows that they have of its matrix.
  private(set) var projections: [String: (target: Target, expert: Int, rows: Range<Int>)] = [:]
  /// Stacks of experts, by the module that holds them: those of gate and up, and of down.
  private(set) var stacks: [String: (gateUp: Target, down: Target)] = [:]

  /// All matrices and stacks of roles that may be adapted.
  init(_ parameters: [StoredParameter], modelType: String) {
    // Names do not depend on ranks.
    let roles: [Role] = [.attention, .experts, .router, .sharedExperts]
    let probe = AdapterSettings(
      roles: Dictionary(uniqueKeysWithValues: roles.map { ($0, .init(rank: 1, alpha: 1)) }))
    let names = HubNames(modelType: modelType)
    var held: [String: [String: Target]] = [:]
    for parameter in parameters {
      guard let factors = probe.factors(of: parameter.path, shape: parameter.shape) else { continue }
      let target = Target(parameter: parameter, host: factors.a.path.parent.name)
      let ways = names.alternatives(parameter.path.name, shape: parameter.shape)
      guard parameter.shape.count == 3 else {
        for way in ways { matrices[Self.module(way[0].tensor)] = target }
        continue
      }
      held[parameter.path.parent.name, default: [:]][target.lastName] = target
      let (perExpert, out) = (ways[0].count / parameter.shape[0], parameter.shape[1])
      let rows = out / perExpert
      for (index, piece) in ways[0].enumerated() {
        let first = index % perExpert * rows
        projections[Self.module(piece.tensor)] = (target, index / perExpert, first..<first + rows)
      }
    }
    for (module, targets) in held {
      if let gateUp = targets["gate_up_proj"], let down = targets["down_proj"] { stacks[module] = (gateUp, down) }
    }
  }

  private static func module(_ weight: String) -> String {
    weight.hasSuffix(".weight") ? String(weight.dropLast(".weight".count)) : weight
  }
}

/// Which parameter each module's factors belong to, and how they lie.
///
/// Of two parameters of one module PEFT's second wraps the first, so that a module may have two pairs of factors: those
/// of `down_proj` under the stack's name and those of `gate_up_proj` under its `base_layer`. One that is adapted alone,
/// of either, is under the stack's name: the shapes tell which it is, and whether they lie as before PEFT 0.19.
struct PEFTPlaces {
  private let modules: PEFTModules
  private let path: String
  private var stacks: [String: (target: PEFTModules.Target, isSwapped: Bool)] = [:]

  /// - Parameters:
  ///   - names: Modules that have factors.
  ///   - tensors: The factors.
  ///   - config: What wrote them.
  ///   - modules: Of the base model.
  /// - Throws: ``FileError`` for a module that is none of these, and for stacks that might lie either way.
  init(
    _ names: [String], _ tensors: SafetensorsReader, _ config: PEFTConfiguration, in modules: PEFTModules
  ) throws(FileError) {
    (self.modules, path) = (modules, tensors.path)
    let inner = ".base_layer"
    let present = Set(names)
    var found: [(name: String, target: PEFTModules.Target, ways: [Bool])] = []
    for name in names where modules.matrices[name] == nil && modules.projections[name] == nil {
      let isInner = name.hasSuffix(inner)
      guard let stack = modules.stacks[isInner ? String(name.dropLast(inner.count)) : name] else {
        throw PEFTFolder.stranger(PEFTPart.name(name, "A"), tensors.path)
      }
      let targets =
        isInner ? [stack.gateUp] : present.contains(name + inner) ? [stack.down] : [stack.gateUp, stack.down]
      let shapes = ["A", "B"].map { tensors.info(PEFTPart.name(name, $0))?.shape ?? [] }
      let fits = targets.map { target in
        [false, true].filter { Self.fits(target.parameter.shape, shapes, isSwapped: $0) }
      }
      // Where nothing fits, the comparison of shapes will say so, as if they lay as they do now.
      let index = fits.firstIndex { !$0.isEmpty }
      found.append((name, targets[index ?? 0], index.map { fits[$0] } ?? [false]))
    }
    let isSwapped = found.first { $0.ways.count == 1 }?.ways[0] ?? config.swapsExperts
    for (name, target, ways) in found {
      guard let isSwapped = ways.count == 1 ? ways[0] : isSwapped else {
        throw .invalid(
          path: config.path, item: "peft_version",
          expected: "what wrote factors of experts whose shapes fit W and its transpose", found: "nothing")
      }
      stacks[name] = (target, isSwapped)
    }
  }

  /// Where a module's factors go.
  func place(_ module: String) throws(FileError) -> (target: PEFTModules.Target, layout: PEFTPart.Layout) {
    if let target = modules.matrices[module] { return (target, .matrix) }
    if let (target, expert, rows) = modules.projections[module] {
      return (target, .projection(expert: expert, rows: rows))
    }
    guard let (target, isSwapped) = stacks[module] else {
      throw PEFTFolder.stranger(PEFTPart.name(module, "A"), path)
    }
    return (target, .stack(isSwapped: isSwapped))
  }

  /// Whether A and B of a stack `[E, out, in]` may have these shapes, whatever their rank.
  private static func fits(_ stack: [Int], _ shapes: [[Int]], isSwapped: Bool) -> Bool {
    let (a, b) = (shapes[0], shapes[1])
    guard a.count == 2, b.count == 2, a[0] == b[1], a[0] > 0, a[0] % stack[0] == 0 else { return false }
    return a[1] == stack[isSwapped ? 1 : 2] && b[0] == stack[isSwapped ? 2 : 1]
  }
}
