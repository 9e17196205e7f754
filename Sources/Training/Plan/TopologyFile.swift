public import Placements

extension Topology {
  private static let kind = "a topology"
  private static let example = "recipes/topologies/pcie.yaml"

  /// Reads a topology file and checks all of it.
  ///
  /// - Parameter path: A YAML file as in `recipes/topologies`.
  /// - Returns: The machine.
  /// - Throws: `RecipeError` with everything that is wrong.
  public static func load(_ path: String) throws(RecipeError) -> Topology {
    try SmallFile.read(path, kind: kind, example: example, decode)
  }

  /// Reads a topology from text, as `load` does.
  ///
  /// - Parameters:
  ///   - text: YAML.
  ///   - file: Its name in messages.
  /// - Returns: The machine.
  /// - Throws: `RecipeError` with everything that is wrong.
  public static func parse(_ text: String, file: String) throws(RecipeError) -> Topology {
    try SmallFile.parse(text, file: file, kind: kind, example: example, decode)
  }

  private static func decode(_ section: RecipeSection) -> Topology {
    Topology(
      name: section.requiredText("name", hint: "what the machine is, in words"),
      devicesPerNode: requiredCount("devices_per_node", section),
      inside: section.section("inside", link),
      between: section.node("between").map(\.isNone) ?? true ? nil : section.section("between", link),
      exchange: section.choice("exchange", default: .direct),
      overlap: section.value("overlap", default: 0, expected: "a number from 0 to 1") { node in
        node.double.flatMap { (0...1).contains($0) ? $0 : nil }
      },
      flops: section.requiredDouble("flops", .positive))
  }

  private static func requiredCount(_ key: String, _ section: RecipeSection) -> Int {
    if section.node(key) == nil { section.report(key, "expected an integer in 1...1024, found no such key") }
    return section.int(key, in: 1...1024, default: 1)
  }

  private static func link(_ section: RecipeSection) -> Link {
    Link(
      latency: section.requiredDouble("latency", .notNegative),
      perPeer: section.double("per_peer", .notNegative, default: 0),
      bandwidth: section.requiredDouble("bandwidth", .positive),
      shared: section.bool("shared", default: false))
  }
}
