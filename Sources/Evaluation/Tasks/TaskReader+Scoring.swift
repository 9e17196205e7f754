internal import Training

extension TaskReader {
  /// Names, or the harness's maps of a name with an aggregation and a direction, which have to be the metric's own.
  func metrics(_ output: TaskOutput) -> [TaskMetric] {
    guard let node = section.node("metric_list") else {
      section.report("metric_list", "expected a list of names, found no such key")
      return []
    }
    let items: [RecipeNode] = if case .list(let items) = node.content { items } else { [node] }
    if items.isEmpty { section.report("metric_list", "expected a list of names, found \(node.found)") }
    return items.compactMap { item in
      guard let name = item.string ?? item["metric"]?.string else {
        section.report("metric_list", "expected a list of names, found \(item.found)")
        return nil
      }
      guard let metric = TaskMetric(rawValue: name), output.metrics.contains(metric) else {
        section.report(
          "metric_list", "expected \(output.metrics.map(\.rawValue).joined(separator: ", ")), found '\(name)'")
        return nil
      }
      if case .map(let entries) = item.content { for entry in entries { check(entry, of: metric) } }
      return metric
    }
  }

  /// A key beside the name of a metric.
  private func check(_ entry: RecipeNode.Entry, of metric: TaskMetric) {
    let expected: String
    switch entry.key {
    case "metric": return
    case "aggregation": expected = metric.aggregation
    case "higher_is_better": expected = "\(metric.isHigherBetter)"
    case "ignore_case", "regexes_to_ignore": expected = "no such key: exact_match: {\(entry.key): …} says it here"
    case "ignore_punctuation", "ignore_numbers": expected = "false"
    default: expected = "metric, aggregation or higher_is_better, and no other key"
    }
    if let text = entry.value.string, text.lowercased() == expected { return }
    section.reader.report(
      "metric_list.\(metric.rawValue).\(entry.key)", entry.position, "expected \(expected), found \(entry.value.found)")
  }

  func generation(_ output: TaskOutput) -> TaskDefinition.Generation {
    var generation = TaskDefinition.Generation()
    section.section("generation_kwargs") { keys in
      generation.until = texts("until", keys)
      generation.maxTokens = keys.int("max_gen_toks", in: 1...1_000_000, default: 256)
      TaskKeys.generation.check(keys)
    }
    section.section("exact_match") { keys in
      generation.ignoresCase = keys.bool("ignore_case", default: false)
      generation.ignored = texts("regexes_to_ignore", keys).compactMap { pattern($0, "regexes_to_ignore", keys) }
    }
    generation.filters = entries("filter_list").compactMap { name, node in
      if case .map(let keys) = node.content {
        for entry in keys where entry.key != "regex" && entry.key != "group_select" {
          section.reader.report(
            "filter_list.\(name).\(entry.key)", entry.position, "expected regex or group_select, found another key")
        }
      }
      guard let source = node["regex"]?.string, let pattern = pattern(source, "filter_list", section) else {
        section.report("filter_list", "expected {name: {regex: …, group_select: 0}}, found \(node.found)")
        return nil
      }
      let selected = node["group_select"]
      guard let match = selected.map(\.int) ?? 0, ResponseFilter.matches.contains(match) else {
        section.report(
          "filter_list", "expected a group_select in \(ResponseFilter.matches), found \(selected?.found ?? "nothing")")
        return nil
      }
      return ResponseFilter(name: name, pattern: pattern, match: match)
    }
    if output == .generate, generation.filters.isEmpty {
      section.report("filter_list", "expected at least one filter {name: {regex: …}}, found none")
    }
    return generation
  }

  private func pattern(_ source: String, _ key: String, _ keys: RecipeSection) -> Pattern? {
    let pattern = Pattern(source)
    if pattern == nil { keys.report(key, "expected a regular expression, found '\(source)'") }
    return pattern
  }
}
