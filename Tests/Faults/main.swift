import Foundation

// Fails or kills `occult` at one call into the system after another, and looks at what is left.
//
//     faults [--jobs 2] [--folder .build/faults] [--scenario finetune]      every call of every command that writes
//     faults --sample 100 --seed 1                                         some of them
//     faults --scenario convert/mapped --case write:17:EIO                 one again; its workplace stays
//
// For each scenario (a command on a tiny model) an undisturbed run is recorded: its calls and its results. Then, for
// every call and everything that can happen at it: the command must end with an error that names file and reason, or
// with the results of the undisturbed run; every file under a final name is the old or the new one, or its reader
// refuses it; and the same command again ends in the bits of the undisturbed run.

do {
  exit(try Campaign(Options(Array(CommandLine.arguments.dropFirst()))).run())
} catch {
  FileHandle.standardError.write(Data("faults: \(error)\n".utf8))
  exit(64)
}
