import Foundation

// Feeds damaged files to the readers for a while, and fails when one of them traps, hangs or eats memory.
//
//     fuzz --seconds 60 --seed 1 [--folder .build/fuzz]
//     fuzz --reproduce FILE.safetensors
//
// The loop runs in a child process that writes every input to a file before it reads it: when the child dies, that file
// is the reproducer. An error that a reader throws is what is wanted; all that is asked of it is to be quick and small.

do {
  let options = try Options(Array(CommandLine.arguments.dropFirst()))
  switch options.mode {
  case .supervise: exit(try Supervisor(options).run())
  case .work: try Worker(options).run()
  case .reproduce(let path): try Worker(options).reproduce(path)
  }
} catch {
  FileHandle.standardError.write(Data("fuzz: \(error)\n".utf8))
  exit(64)
}
