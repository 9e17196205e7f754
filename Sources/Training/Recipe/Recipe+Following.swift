extension Recipe {
  /// This recipe of a run as it would read where the run's folder is now: `output` is that of `now`, and so is every path
  /// that the move of a folder explains.
  ///
  /// A path moved with the folder if old and new place share the end `…/c/d`, and what is in front of it in the new place is
  /// a folder above the run's. What the files hold is compared elsewhere: batches by their hash, a base model by its checksum.
  ///
  /// - Parameter now: The recipe with which the run goes on.
  /// - Returns: This recipe with paths of `now` where they follow.
  func following(_ now: Recipe) -> Recipe {
    let folder = RecipeFiles.absolute(now.output, from: RecipeFiles.workingFolder)
    func moved(_ old: String, _ new: String) -> String { Self.follows(old, new, above: folder) ? new : old }
    func moved(_ old: [Source], _ new: [Source]) -> [Source] {
      if old.count != new.count { return old }
      return zip(old, new).map { old, new in
        var source = old
        source.path = moved(old.path, new.path)
        return source
      }
    }
    var result = self
    result.output = now.output
    result.model = moved(model, now.model)
    result.data.train = moved(data.train, now.data.train)
    if case .sources(let old) = data.validation, case .sources(let new) = now.data.validation {
      result.data.validation = .sources(moved(old, new))
    }
    result.data.test = moved(data.test, now.data.test)
    result.data.retention = moved(data.retention, now.data.retention)
    result.data.profile = moved(data.profile, now.data.profile)
    if case .file(let old) = routing.placement, case .file(let new) = now.routing.placement {
      result.routing.placement = .file(moved(old, new))
    }
    return result
  }

  private static func follows(_ old: String, _ new: String, above folder: String) -> Bool {
    if old == new { return true }
    let (isAbsolute, here) = (old.hasPrefix("/"), RecipeFiles.absolute(new, from: RecipeFiles.workingFolder))
    let parts = { (path: String) in path.split(separator: "/").filter { $0 != "." } }
    let (before, after) = (parts(old), parts(here))
    let shared = zip(before.reversed(), after.reversed()).prefix { $0 == $1 }.count
    // One that was written from the working folder says nothing of where that was.
    guard shared > 0, isAbsolute || shared == before.count else { return false }
    return parts(folder).starts(with: after.dropLast(shared))
  }
}
