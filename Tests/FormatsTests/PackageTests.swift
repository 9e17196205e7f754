import Foundation
import Testing

/// What `Package.swift` says of targets, against the pages that describe them and the sources themselves.
@Suite struct PackageTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  private static func text(_ name: String) throws -> String {
    try String(contentsOfFile: root + "/" + name, encoding: .utf8)
  }

  /// Names of the targets in `Sources`, each with those that it uses.
  private static func targets() throws -> [(name: String, uses: Set<String>)] {
    let declaration = #/\.(?:executableT|t)arget\(\s*name: "(\w+)"(?:,\s*dependencies: \[([^\]]*)\])?/#
    return try text("Package.swift").matches(of: declaration).map { match in
      (String(match.1), Set((match.2 ?? "").matches(of: #/"(\w+)"/#).map { String($0.1) }))
    }.filter { FileManager.default.fileExists(atPath: root + "/Sources/" + $0.name) }
  }

  @Test(arguments: ["README.md", "docs/design.md"]) func everyTargetIsDescribed(page: String) throws {
    let (page, targets) = (try Self.text(page), try Self.targets())
    #expect(targets.count > 15)
    for target in targets { #expect(page.contains(target.name), "\(target.name)") }
  }

  /// A target imports what its dependencies name, so that its place in the picture is that in the sources.
  @Test func importsAreDependencies() throws {
    let targets = try Self.targets()
    let names = Set(targets.map(\.name))
    for target in targets {
      let folder = Self.root + "/Sources/" + target.name
      let files = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
      var imported: Set<String> = []
      for file in files where file.hasSuffix(".swift") {
        let source = try String(contentsOfFile: folder + "/" + file, encoding: .utf8)
        imported.formUnion(source.matches(of: #/(?m)^(?:\w+ )?import (\w+)$/#).map { String($0.1) })
      }
      #expect(imported.intersection(names) == target.uses.intersection(names), "\(target.name)")
    }
  }

  /// Arrows point down: a target uses those that stand before it in `Package.swift`.
  @Test func arrowsPointDown() throws {
    var before: Set<String> = []
    let targets = try Self.targets()
    let names = Set(targets.map(\.name))
    for target in targets {
      #expect(target.uses.intersection(names).isSubset(of: before), "\(target.name)")
      before.insert(target.name)
    }
  }
}
