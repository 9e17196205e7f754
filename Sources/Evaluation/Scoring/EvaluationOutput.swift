internal import Files
internal import Checkpoint
public import Foundation

/// Where an evaluation is written: beside earlier ones, under a time of its own.
public struct EvaluationOutput {
  /// The folder.
  public let folder: String
  /// The time in the names of its files.
  public let time: String
  private let lock: FolderLock

  /// Takes a folder for as long as this value lives.
  ///
  /// - Parameters:
  ///   - folder: Its path; it is made where it is missing.
  ///   - program: Name and version of the program.
  ///   - date: When the evaluation ended; where an earlier one has that second, the next free one is taken.
  /// - Throws: `FolderError`, `FileError`.
  public init(_ folder: String, program: String, date: Date = Date()) throws {
    let layout = FolderLayout(["**/results_*.json", "**/samples_*.jsonl"])
    lock = try OutputFolder(folder, kind: .evaluation, layout: layout).join(purpose: "an evaluation", program: program)
    let names = try FolderContents(folder).files
    // What a killed writer left: nobody else writes here now.
    for name in names where name.hasSuffix(".tmp") && layout.hasFile(name) {
      guard unlink(folder + "/" + name) == 0 || errno == ENOENT else {
        throw FolderError.system(path: folder + "/" + name, action: "remove what a killed evaluation left", code: errno)
      }
    }
    var date = date
    while names.contains(where: { $0.contains("_" + HarnessFiles.time(date)) }) { date += 1 }
    (self.folder, time) = (folder, HarnessFiles.time(date))
  }
}
