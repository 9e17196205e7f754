import ExpertParallel
import Foundation

/// What several ranks compute together against one process that holds everything; run by `mpirun` from
/// ExpertParallelTests.
///
///     mpirun -n 4 Ranks          every case; some lines each on rank 0, exit code 1 if one fails
///     mpirun -n 8 Ranks few      every policy once
let communicator: any Communicator = MPICommunicator.isLaunched ? try MPICommunicator() : SingleProcess()
var checker = try Checker(communicator)
for test in CommandLine.arguments.contains("few") ? Case.few : Case.all where test.fits(devices: communicator.size) {
  try checker.run(test)
}
communicator.barrier()
communicator.finish()
exit(checker.failures == 0 ? 0 : 1)
