internal import Formats
internal import Text

extension Recipe {
  static func decodeData(_ section: RecipeSection) -> Datasets {
    var data = Datasets(train: decodeSources(section, "train"))
    if section.node("train") == nil {
      section.reader.report("data.train", section.position, "expected training data, found no such key")
    }
    if let node = section.node("validation"), let share = node.double {
      if NumberRule.share.admits(share) {
        data.validation = .share(share)
      } else {
        section.report("validation", "expected a share from 0 to below 1, or a source, found \(node.found)")
      }
    } else if section.node("validation") != nil {
      data.validation = .sources(decodeSources(section, "validation"))
    }
    data.test = decodeSources(section, "test")
    data.retention = decodeSources(section, "retention")
    data.profile = decodeSources(section, "profile")
    data.template = section.choice("template", default: data.template)
    data.lossOn = section.choice("loss_on", default: data.lossOn)
    data.maxTokens = section.int("max_tokens", in: 2...Datasets.mostTokens, default: data.maxTokens)
    data.packing = section.bool("packing", default: data.packing)
    return data
  }

  /// A path, a map with `path`, or a list of these. An empty list and null mean no source, where one may be missing.
  private static func decodeSources(_ section: RecipeSection, _ key: String) -> [Source] {
    guard let node = section.node(key) else { return [] }
    let mayBeMissing = key != "train" && key != "validation"
    if mayBeMissing, node.isNull { return [] }
    if case .list(let items) = node.content {
      if items.isEmpty, !mayBeMissing { section.report(key, "expected at least one source, found an empty list") }
      return items.compactMap { decodeSource($0, key: section.path(of: key), reader: section.reader) }
    }
    return [decodeSource(node, key: section.path(of: key), reader: section.reader)].compactMap(\.self)
  }

  private static func decodeSource(_ node: RecipeNode, key: String, reader: RecipeReader) -> Source? {
    if let path = node.string, !path.isEmpty {
      let pathNode = RecipeNode(
        content: .map([.init(key: "path", position: node.position, value: node)]), position: node.position)
      return decodeSource(pathNode, key: key, reader: reader)
    }
    guard case .map = node.content else {
      reader.report(key, node.position, "expected a file, a glob or {path: …, format: …}, found \(node.found)")
      return nil
    }
    let section = RecipeSection(node, path: key, position: node.position, reader: reader)
    defer { section.finish() }
    let written = section.requiredText("path", hint: "a file or a glob")
    var source = Source(path: written, format: written.hasSuffix(".txt") ? .text : .alpaca)
    if section.node("format") == nil, !written.isEmpty, !written.hasSuffix(".txt") {
      let formats = DataFormat.allCases.map(\.rawValue).joined(separator: ", ")
      reader.report(
        key + ".format", section.position, "expected the format of '\(written)', one of \(formats), found no such key")
    }
    source.format = section.choice("format", default: source.format)
    source.columnMap = decodeColumns(section, format: source.format)
    source.weight = section.double("weight", .weight, default: source.weight)
    if !written.isEmpty {
      source.path = RecipeFiles.resolve(written, at: section.position(of: "path"), reader)
      if reader.checksFiles { RecipeFiles.checkSource(source.path, written: written, key: key, in: section) }
    }
    return source
  }

  private static func decodeColumns(_ section: RecipeSection, format: DataFormat) -> [String: String] {
    guard let node = section.node("column_map"), !node.isNull else { return [:] }
    guard case .map(let entries) = node.content else {
      section.report(
        "column_map", "expected a map from columns of the format to names in the file, found \(node.found)")
      return [:]
    }
    var columns: [String: String] = [:]
    for entry in entries {
      let key = section.path(of: "column_map") + "." + entry.key
      if !format.columns.contains(entry.key) {
        let list = format.columns.joined(separator: ", ")
        let nearest = Spelling.nearest(to: entry.key, in: format.columns).map { "; did you mean '\($0)'?" } ?? ""
        section.reader.report(
          key, entry.position, "expected a column of \(format.rawValue) (\(list)), found '\(entry.key)'\(nearest)")
      } else if let name = entry.value.string, !name.isEmpty {
        columns[entry.key] = name
      } else {
        section.reader.report(key, entry.value.position, "expected a name in the file, found \(entry.value.found)")
      }
    }
    return columns
  }
}
