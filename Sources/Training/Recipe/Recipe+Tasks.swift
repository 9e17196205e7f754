extension Recipe {
  /// `tasks`: questions that models are scored on, as `occult evaluate --tasks` does; none if there are no names.
  public struct Tasks: Sendable, Equatable {
    /// Tasks, groups, or paths of task files. Default: none.
    public var names: [String] = []
    /// Folder of their data; folders in it are searched as well. Required with names.
    public var data = ""
    /// Folder of task files beside those of the program. Default: null.
    public var folder: String?
    /// Most documents of each task; `nil` (`all`) for all. Default: all.
    public var limit: Int?
    /// Examples before each question; `nil` (`auto`) for each task's own number. Default: auto.
    public var shots: Int?
    /// Steps between scorings in training; `nil` (`none`) for the result alone. Default: none.
    public var every: Int?

    /// The defaults.
    public init() {}
  }

  static func decodeTasks(_ section: RecipeSection) -> Tasks {
    var tasks = Tasks()
    tasks.names = section.value("names", default: [], expected: "a list of different tasks, like [piqa, arc_easy]") {
      node in
      guard case .list(let items) = node.content else { return nil }
      let names = items.compactMap(\.string)
      return names.count == items.count && Set(names).count == names.count ? names : nil
    }
    // A word is the name of a task, anything with a slash or an ending a file.
    if let position = section.node("names")?.position {
      tasks.names = tasks.names.map { name in
        name.contains("/") || name.hasSuffix(".yaml") ? RecipeFiles.resolve(name, at: position, section.reader) : name
      }
    }
    tasks.data = folder(section, "data") ?? ""
    tasks.folder = folder(section, "folder")
    tasks.limit = section.optionalInt("limit", in: 1...RecipeSection.mostCount, or: "all", default: tasks.limit)
    tasks.shots = section.optionalInt("shots", in: 0...RecipeSection.mostCount, or: "auto", default: tasks.shots)
    tasks.every = section.optionalInt("every", in: 1...RecipeSection.mostCount, default: tasks.every)
    if !tasks.names.isEmpty, tasks.data.isEmpty, section.node("data").map(\.isNull) ?? true {
      section.report("data", "expected the folder of the tasks' data, found none")
    }
    return tasks
  }

  /// An existing folder, from where it is written.
  private static func folder(_ section: RecipeSection, _ key: String) -> String? {
    guard let node = section.node(key), !node.isNull else { return nil }
    guard let text = node.string, !text.isEmpty else {
      section.report(key, "expected a folder, found \(node.found)")
      return nil
    }
    let path = RecipeFiles.resolve(text, at: node.position, section.reader)
    if section.reader.checksFiles, RecipeFiles.isFile(path) != false {
      let hint = RecipeFiles.nearest(to: path).map { "; did you mean '\($0)'?" } ?? ""
      section.report(key, "expected a folder, found no '\(text)' in \(RecipeFiles.folder(of: path))\(hint)")
    }
    return path
  }
}
