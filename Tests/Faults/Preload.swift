import Foundation

/// The library that makes the faults, compiled from `preload.c` beside this file.
struct Preload: Sendable {
  let library: String
  let program: String
  let memory: Int

  init(_ options: Options) throws {
    library = options.folder + "/preload.so"
    (program, memory) = (options.program, options.memory)
    let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/preload.c"
    let shell = Shell(scratch: options.folder)
    var messages = ""
    for compiler in ["cc", "clang", "gcc"] {
      let ending = try shell.run(
        "/usr/bin/env", [compiler, "-O2", "-Wall", "-shared", "-fPIC", "-o", library, source, "-ldl"],
        in: options.folder)
      if ending.code == 0 { return }
      messages += "\(compiler): \(ending.words) \(ending.error)\n"
    }
    throw Options.Failure(
      description: "\(source): expected a C compiler to compile it, found none that does\n\(messages)")
  }

  /// Settings for a run in `place`, with side files in `scratch`.
  func environment(
    _ place: String, scratch: String, keep: String? = nil, fault: Case? = nil
  ) -> [String: String] {
    var settings = [
      "LD_PRELOAD": library, "FAULTS_PROGRAM": URL(fileURLWithPath: program).lastPathComponent, "FAULTS_ROOT": place,
      "FAULTS_MEMORY": "\(memory)", "FAULTS_TRACE": scratch + "/trace", "FAULTS_FIRED": scratch + "/fired",
    ]
    if let keep { settings["FAULTS_KEEP"] = keep }
    return settings.merging(fault?.environment ?? [:]) { $1 }
  }
}
